"""
A TCP relay between the program and one service that can fail in the ways networks do.

    relays = Relays()
    proxy = Proxy(relays, "127.0.0.1:5432")
    proxy.address           # what the program is told
    proxy.hold()            # a black hole: bytes wait, nothing is closed
    proxy.heal()            # an honest relay again

All proxies run in one thread with one event loop; their methods may be called from any thread and return
when what they ask for is done. What was really hit is counted, so that a fault can prove itself.
"""

import asyncio
import contextlib
import random
import socket
import struct
import threading

# PostgreSQL's simple query message with the text COMMIT. A client waits for its answer, so that it always ends
# what was sent.
COMMIT = b"Q\x00\x00\x00\x0bCOMMIT\x00"
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"

# How PostgreSQL's clients name themselves in their first message.
WRITER = b"application_name\x00tyrattribution writer"


class Relays:
    """The thread and the event loop that all proxies share."""

    def __init__(self):
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="relays", daemon=True)
        self._thread.start()

    def call(self, coroutine):
        """Run a coroutine in the loop and wait for its result."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(10)

    def close(self):
        """End the thread."""
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)


class _Connection:
    """One client and its way to the service."""

    def __init__(self, writer):
        self.writers = [writer]
        self.is_writer = None       # one of the program's writers? unknown until its first bytes
        self.swallows = False       # nothing goes back to the client any more

    def reset(self):
        """Close both sides with RST, whatever is under way."""
        for writer in self.writers:
            sock = writer.get_extra_info("socket")
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()


class Proxy:
    """Listens on a port of 127.0.0.1 and relays to one service."""

    def __init__(self, relays, target, port=0):
        self._relays = relays
        self._host, self._port = target.rsplit(":", 1)
        self._connections = set()
        self._server = None
        self._flows = None          # an event that is set unless held
        self._delay_s = 0
        self._bytes_per_s = 0
        self._commit_cuts = None    # the random numbers for them, or None
        self._commits_per_cut = 1
        self.cuts = 0               # connections that were reset
        self.slowed = 0             # bytes that were held, delayed or throttled
        self.commit_cuts = 0        # connections reset after their COMMIT was forwarded
        self.commits_swallowed = 0  # of these, whose answer had come and was not passed on
        self.port = port
        relays.call(self._start())
        self.address = f"127.0.0.1:{self.port}"

    # faults

    def cut(self):
        """Reset all connections; new ones are welcome. How many there were."""
        return self._relays.call(self._cut())

    def refuse(self):
        """Reset all connections and refuse new ones."""
        self._relays.call(self._refuse())

    def hold(self):
        """Pass nothing on in either direction, and close nothing."""
        self._relays.call(self._hold())

    def delay(self, seconds):
        """Pass everything on this much later."""
        self._delay_s = seconds

    def throttle(self, bytes_per_s):
        """Pass on so many bytes a second on each connection and in each direction."""
        self._bytes_per_s = bytes_per_s

    def cut_commits(self, seed, commits_per_cut):
        """Forward one in so many COMMITs of the program's writers, then reset both sides before the answer."""
        self._commits_per_cut = commits_per_cut
        self._commit_cuts = random.Random(seed)

    def heal(self):
        """Be an honest relay."""
        self._commit_cuts = None
        self._delay_s = 0
        self._bytes_per_s = 0
        self._relays.call(self._heal())

    def close(self):
        """Stop listening and drop everything."""
        self.heal()
        self._relays.call(self._refuse())

    # in the loop

    async def _start(self):
        self._flows = asyncio.Event()
        self._flows.set()
        await self._listen()

    async def _listen(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port, reuse_address=True)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _cut(self):
        connections, self._connections = self._connections, set()
        for connection in connections:
            connection.reset()
        self.cuts += len(connections)
        return len(connections)

    async def _refuse(self):
        if self._server is not None:
            self._server.close()
            self._server = None
        await self._cut()

    async def _hold(self):
        self._flows.clear()

    async def _heal(self):
        self._flows.set()
        if self._server is None:
            await self._listen()

    async def _serve(self, reader, writer):
        connection = _Connection(writer)
        self._connections.add(connection)
        try:
            await self._flows.wait()
            up_reader, up_writer = await asyncio.open_connection(self._host, int(self._port))
            connection.writers.append(up_writer)
            if connection not in self._connections:
                return              # it was reset while it waited
            await asyncio.gather(self._to_service(connection, reader, up_writer),
                                 self._to_client(connection, up_reader, writer))
        except OSError:
            pass                    # either side went away
        finally:
            connection.reset()
            self._connections.discard(connection)

    async def _slow_down(self, data):
        if not self._flows.is_set():
            self.slowed += len(data)
            await self._flows.wait()
        if self._delay_s or self._bytes_per_s:
            self.slowed += len(data)
            await asyncio.sleep(self._delay_s + (len(data) / self._bytes_per_s if self._bytes_per_s else 0))

    async def _to_service(self, connection, reader, writer):
        while data := await reader.read(16384):
            if connection.is_writer is None:
                connection.is_writer = WRITER in data
            await self._slow_down(data)
            writer.write(data)
            await writer.drain()
            if self._is_to_be_cut(connection, data):
                await self._cut_after_commit(connection)
                return
        raise ConnectionResetError

    async def _to_client(self, connection, reader, writer):
        while data := await reader.read(16384):
            await self._slow_down(data)
            if connection.swallows:
                self.commits_swallowed += COMMITTED in data
                continue
            writer.write(data)
            await writer.drain()
        raise ConnectionResetError

    def _is_to_be_cut(self, connection, data):
        return (self._commit_cuts is not None and connection.is_writer and data.endswith(COMMIT)
                and self._commit_cuts.randrange(self._commits_per_cut) == 0)

    async def _cut_after_commit(self, connection):
        """The pause decides whether the service has the COMMIT, is at it, or has answered."""
        connection.swallows = True
        self.commit_cuts += 1
        await asyncio.sleep(self._commit_cuts.choice((0, 0.002, 0.02, 0.02, 0.1)) if self._commit_cuts else 0.02)
        connection.reset()
