-- What a query connection needs: its statements are short, and compiling them would take longer than running them.
SET jit = off;
