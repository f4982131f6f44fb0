# make              build the program: build/tyrattribution
# make run          install what is missing, build, start private services, migrate, serve
# make test         install what is missing, build, run every test (SAN=address|thread: that flavour only)
# make demo         send real customer paths to a running server and check the numbers
# make faults       seeded schedules of faults, checked from outside: SEED= N= ONLY= CELLS= SECONDS_MAX=
# make soak         a short load test against a running server
# make clients      build the load generator build/clients: many keep-alive clients, some of them slow
# make bench        measure the program beside its limits: ONLY= SECONDS= ROUNDS= EVENTS= STORED= RATE= MINUTES= ...
# make bench-compare BASE=file [NEW=file]   compare two results of it by their ratios
# make lint         gcc's analyzer, cppcheck, shellcheck
# make fmt          format the sources;  make fmt-check  fail on a difference
# make docs-check   fail if README's options and metrics differ from their tables
# make clean        remove what the build made
# V=1 shows commands; WERROR=0 lets warnings pass

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
Q := $(if $(V),,@)
SAN ?=
OUT := build$(if $(SAN),/$(SAN))
OBJ := $(OUT)/obj

include src/sources.mk
-include tests/list.mk

LIBS := rdkafka hiredis libpq liburcu-memb libcjson zlib
CC := gcc
WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wwrite-strings -Wformat=2 -Wundef -Wvla -Wswitch-enum -fno-common \
	$(if $(filter 0,$(WERROR)),,-Werror)
CFLAGS := -std=gnu11 -D_GNU_SOURCE -O2 -g -pthread $(WARNINGS)
CPPFLAGS := -Isrc -I$(OUT)/gen $(shell pkg-config --cflags $(LIBS) 2>/dev/null) -include util/banned.h
LDLIBS := $(shell pkg-config --libs $(LIBS) 2>/dev/null) -lurcu-cds -lcivetweb -lck -lm -pthread

SAN_FLAGS_address := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
SAN_FLAGS_thread := -fsanitize=thread
CFLAGS += $(SAN_FLAGS_$(SAN))
LDFLAGS += $(SAN_FLAGS_$(SAN))
# ck's inline assembly is invisible to the thread sanitizer; these files tell it by hand (util/tsan.h)
$(OBJ)/util/mailbox.o $(OBJ)/util/event_count.o: CFLAGS += $(if $(filter thread,$(SAN)),-fno-sanitize=thread -DTYR_TSAN)

OBJECTS := $(SOURCES:%.c=$(OBJ)/%.o) $(OBJ)/queries.o $(OBJ)/queries_text.o

.PHONY: all run test faults demo soak lint fmt fmt-check docs-check headers-check clean install
all: $(OUT)/tyrattribution

$(OUT)/tyrattribution: $(OBJ)/main.o $(OBJECTS)
	@echo "link $@"
	$(Q)$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(OUT)/gen/queries.h: schema/embed.sh $(wildcard schema/queries/*.sql schema/migrations/*.sql schema/scripts/*.lua)
	$(Q)mkdir -p $(OUT)/gen && schema/embed.sh schema $(OUT)/gen && touch $@

$(OUT)/gen/queries.c $(OUT)/gen/queries.S: $(OUT)/gen/queries.h ;

$(OBJ)/queries.o: $(OUT)/gen/queries.c $(OUT)/gen/queries.h
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(CPPFLAGS) -c -o $@ $<

$(OBJ)/queries_text.o: $(OUT)/gen/queries.S $(OUT)/gen/queries.h
	$(Q)mkdir -p $(@D) && $(CC) -c -o $@ $<

$(OBJ)/%.o: src/%.c | $(OUT)/gen/queries.h
	@echo "cc $<"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

$(OUT)/tests/%: tests/%.c $(OBJECTS) | $(OUT)/gen/queries.h
	@echo "test $<"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(CPPFLAGS) -Itests/unit -MMD -MP $(LDFLAGS) -o $@ $< $(OBJECTS) -lcmocka $(LDLIBS)

-include $(OBJECTS:.o=.d) $(OBJ)/main.d $(wildcard $(OUT)/tests/*/*.d $(OUT)/limits/*.d)

install:
	$(Q)deploy/install.sh run

run: install
	$(Q)$(MAKE) --no-print-directory all
	$(Q)deploy/run.sh

test:
	$(Q)deploy/install.sh test
	$(Q)tests/run.sh $(SAN)

.PHONY: tests
tests: $(UNIT_TESTS:%=$(OUT)/tests/unit/%) $(STRESS_TESTS:%=$(OUT)/tests/stress/%)

FAULT_ARGS := $(if $(SEED),--seed $(SEED)) $(if $(N),--number $(N)) $(if $(ONLY),--only $(ONLY)) \
	$(if $(CELLS),--cells '$(CELLS)') $(if $(SECONDS_MAX),--seconds-max $(SECONDS_MAX))
faults: all build/faults/fsync_shim.so
	$(Q)tests/venv.sh && deploy/kafka.sh fetch
	$(Q)TYR_BINARY=$(OUT)/tyrattribution $${TYR_VENV:-build/venv}/bin/python tests/faults/rig.py $(FAULT_ARGS)

build/faults/fsync_shim.so: tests/faults/fsync_shim.c
	$(Q)mkdir -p $(@D) && $(CC) -std=gnu11 -D_GNU_SOURCE -O2 $(WARNINGS) -shared -fPIC -o $@ $< -ldl

demo:
	$(Q)loadtest/demo.sh

soak:
	$(Q)loadtest/soak.sh

.PHONY: clients
clients: build/clients

build/clients: loadtest/clients.c
	@echo "cc $<"
	$(Q)mkdir -p $(@D) && $(CC) $(filter-out -fsanitize=% -fno-sanitize%,$(CFLAGS)) -o $@ $<

# what the machine's parts can do alone, for `make bench` to measure beside the program
LIMITS := copy http ledger produce reads
.PHONY: limits bench bench-compare
limits: $(LIMITS:%=$(OUT)/limits/%)

$(OUT)/limits/%: loadtest/limits/%.c loadtest/limits/feed.c $(OBJECTS) | $(OUT)/gen/queries.h
	@echo "limit $<"
	$(Q)mkdir -p $(@D) && $(CC) $(CFLAGS) $(CPPFLAGS) -MMD -MP $(LDFLAGS) -o $@ $< loadtest/limits/feed.c $(OBJECTS) $(LDLIBS)

BENCH_ARGS := $(foreach v,ONLY SECONDS ROUNDS EVENTS STORED CAMPAIGNS RATE MINUTES CLIENTS WORKERS PARTITIONS WRITERS WARM,$(if $($v),--$(shell \
	echo $v | tr A-Z a-z) $($v)))
bench: all limits clients
	$(Q)deploy/install.sh bench
	$(Q)TYR_BINARY=$(OUT)/tyrattribution loadtest/bench.py run $(BENCH_ARGS)

bench-compare:
	$(Q)loadtest/bench.py compare $(if $(BASE),--base $(BASE)) $(if $(NEW),--new $(NEW))

fmt:
	$(Q)clang-format -i $$(find src tests -name '*.[ch]')

fmt-check:
	$(Q)clang-format --dry-run -Werror $$(find src tests -name '*.[ch]')

docs-check: all
	$(Q)tests/docs_check.sh

headers-check: $(OUT)/gen/queries.h
	$(Q)for h in $$(find src -name '*.h' ! -name banned.h); do \
		echo "#include \"$${h#src/}\"" | $(CC) $(CFLAGS) $(CPPFLAGS) -fsyntax-only -x c - || exit 1; done

lint: $(OUT)/gen/queries.h headers-check
	$(Q)tests/lint.sh

clean:
	$(Q)rm -rf build/obj build/gen build/tests build/address build/thread build/tyrattribution build/clients build/limits
