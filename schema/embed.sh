#!/bin/sh
# Writes queries.h, queries.c and queries.S: every SQL file of schema/queries as a named statement, every
# migration, and every Lua script of schema/scripts.
# Usage: embed.sh SCHEMA_DIR OUT_DIR
set -eu
schema=$1 out=$2

{
	echo '/* Made by schema/embed.sh from schema/queries and schema/migrations. */'
	printf '#ifndef QUERIES_H\n#define QUERIES_H\n\nenum sql {\n\tSQL_NONE,\n'
	for f in "$schema"/queries/*.sql; do printf '\tSQL_%s,\n' "$(basename "$f" .sql)"; done
	printf '\tSQL_COUNT\n};\n\n'
	echo 'const char *sql_name(enum sql sql);'
	echo 'const char *sql_text(enum sql sql);'
	printf '\nstruct migration {\n\tint version;\n\tconst char *name;\n\tconst char *text;\n};\n'
	echo 'extern const struct migration migrations[];'
	echo 'extern const int migrations_count;'
	for f in "$schema"/scripts/*.lua; do echo "extern const char script_$(basename "$f" .lua)[];"; done
	printf '\n#endif\n'
} >"$out/queries.h.new"
cmp -s "$out/queries.h.new" "$out/queries.h" || cp "$out/queries.h.new" "$out/queries.h"

{
	printf '\t.section .note.GNU-stack,"",%%progbits\n\t.section .rodata\n'
	for f in "$schema"/queries/*.sql "$schema"/migrations/*.sql; do
		printf '\t.global text_%s\ntext_%s:\n\t.incbin "%s"\n\t.byte 0\n' \
			"$(basename "$f" .sql)" "$(basename "$f" .sql)" "$f"
	done
	for f in "$schema"/scripts/*.lua; do
		printf '\t.global script_%s\nscript_%s:\n\t.incbin "%s"\n\t.byte 0\n' \
			"$(basename "$f" .lua)" "$(basename "$f" .lua)" "$f"
	done
} >"$out/queries.S"

{
	echo '/* Made by schema/embed.sh from schema/queries and schema/migrations. */'
	printf '#include "queries.h"\n\n'
	for f in "$schema"/queries/*.sql "$schema"/migrations/*.sql; do
		echo "extern const char text_$(basename "$f" .sql)[];"
	done
	printf '\nstatic const struct {\n\tconst char *name;\n\tconst char *text;\n} statements[] = {\n\t{"none", ""},\n'
	for f in "$schema"/queries/*.sql; do
		printf '\t{"%s", text_%s},\n' "$(basename "$f" .sql)" "$(basename "$f" .sql)"
	done
	printf '};\n\nconst char *sql_name(enum sql sql)\n{\n\treturn statements[sql].name;\n}\n'
	printf '\nconst char *sql_text(enum sql sql)\n{\n\treturn statements[sql].text;\n}\n'
	printf '\nconst struct migration migrations[] = {\n'
	for f in "$schema"/migrations/*.sql; do
		name=$(basename "$f" .sql)
		printf '\t{%d, "%s", text_%s},\n' "$(echo "$name" | sed 's/_.*//; s/^0*//')" "$name" "$name"
	done
	printf '};\n\nconst int migrations_count = sizeof(migrations) / sizeof(migrations[0]);\n'
} >"$out/queries.c"
