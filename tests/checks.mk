# SPDX-License-Identifier: MIT
#
# The parts of `make check`, each runnable alone. Included by the Makefile.

.PHONY: check-unit check-one check-integration check-keras check-spark lint format-check \
  check-deps check-build bench

CHECK_PARTS := lint format-check 'check-build;CC=clang;WERROR=1' \
  'check-unit;WERROR=1' 'check-unit;SANITIZER=address,undefined' check-tsan \
  check-golden check-sim check-fuzz check-integration check-keras check-spark check-deploy check-peer

check: ## everything that must hold, from a bare machine; ends with the count
	$(Q)deploy/deps.sh build check
	$(Q)tests/lib/check-all.sh $(CHECK_PARTS)

check-deps: ## install what the checks need
	$(Q)deploy/deps.sh build check

check-build: programs units ## compile everything of this flavour

# make check-one T=tests/unit/common/check_buf
check-one: $(B)/$(T) ## build and run one unit test: T=tests/unit/ROOM/check_NAME
	$(Q)$(B)/$(T)

check-unit: units programs ## unit tests of this flavour
	$(Q)$(if $(SANITIZER),CK_FORK=no )tests/lib/run-units.sh $(UNIT_BIN)

# ThreadSanitizer, for what has threads: their unit tests, and a parameter server
# and a training in an elephasd, asked by clients on many connections. The other
# two programs are those without it. The first race ends the program; the one
# that is meant is named in tests/tsan.supp.
.PHONY: check-tsan check-tsan-build
TSAN := build/$(CCNAME)-thread
TSAN_UNITS := $(patsubst %,$(TSAN)/tests/unit/%,core/check_ps driver/check_bodies driver/check_crew driver/check_listen driver/check_offload)
TSAN_TESTS := both_protocols_serve_one_vector no_update_is_lost no_read_is_torn large_updates_take_turns a_training_serves_clients_too
tsan_run = rm -f $(TSAN)/race.*; TSAN_OPTIONS='suppressions=tests/tsan.supp history_size=7 halt_on_error=1 log_path=$(TSAN)/race' \
  $(1) || { cat $(TSAN)/race.* 2>/dev/null; exit 1; }

check-tsan: programs ## ThreadSanitizer: what has threads
	$(Q)$(MAKE) --no-print-directory SANITIZER=thread check-tsan-build
	$(Q)$(call tsan_run,CK_FORK=no tests/lib/run-units.sh $(TSAN_UNITS))
	$(Q)ln -f $(B)/bin/elephas-submit $(B)/bin/elephas-worker $(TSAN)/bin/
	$(Q)$(call tsan_run,TESTS='$(TSAN_TESTS)' tests/lib/run-scripts.sh tsan $(TSAN)/bin tests/integration/test_ps.py)

check-tsan-build: $(TSAN_UNITS) $(TSAN)/bin/elephasd

# two at a time, the longest first; then, alone, those that measure time
INTEGRATION := $(sort $(wildcard tests/integration/*.sh tests/integration/test_*.py))
INTEGRATION_LONGEST := $(patsubst %,tests/integration/test_%.py,shards compress averaging)
INTEGRATION_ALONE := $(patsubst %,tests/integration/test_%.py,daemon large ps semantics stall)

check-integration: programs $(B)/tests/tools/list_keras $(B)/tests/keras/train_case $(B)/tests/plugin/scale.so $(B)/tests/plugin/functions.so ## the real programs against each other, over loopback
	$(Q)SCRIPT_JOBS=2 tests/lib/run-scripts.sh integration $(B)/bin $(INTEGRATION_LONGEST) \
	  $(filter-out $(INTEGRATION_LONGEST) $(INTEGRATION_ALONE),$(INTEGRATION)); two=$$?; \
	  tests/lib/run-scripts.sh integration $(B)/bin $(INTEGRATION_ALONE) && exit $$two

$(B)/tests/plugin/%.so: deploy/examples/%.c common/model/plugin.h
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) -std=c11 $(OPT) $(WARN) -I. -fPIC -shared -o $@ $< -lm

$(B)/tests/keras/train_case: $(B)/obj/tests/keras/train_case.o \
  $(B)/obj/tests/golden/case.o $(B)/obj/tests/golden/run.o $(foreach r,$(NEEDS_nn),$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_BLAS) $(LIBS_KERAS) $(LIBS_COMMON)

check-keras: programs $(B)/tests/keras/train_case ## real Keras opens what this project writes
	$(Q)tests/keras/venv.sh build/venv-keras
	$(Q)TRAIN_CASE=$(B)/tests/keras/train_case tests/lib/run-scripts.sh keras $(B)/bin $(sort $(wildcard tests/keras/test_*.sh))

# two at a time, the longest first: they wait for Spark more than they compute
SPARK_LONGEST := $(patsubst %,tests/spark/test_%,faults.py train.py predict.py)
SPARK_SCRIPTS := $(SPARK_LONGEST) $(filter-out $(SPARK_LONGEST),$(sort $(wildcard tests/spark/test_*)))

# another Spark: make check-spark SPARK_VERSION=3.5.9
check-spark: ## a real Spark cluster on loopback
	$(Q)deploy/deps.sh build check spark
	$(Q)$(MAKE) --no-print-directory programs spark bundle $(patsubst %,$(B)/tests/plugin/%.so,scale functions)
	$(Q)tests/spark/venv.sh $(SPARK_VENV) $(SPARK_VERSION)
	$(Q)tests/spark/fixtures.py $(SPARK_VENV)/spark
	$(Q)tests/spark/hdfs/jars.sh build/hdfs
	$(Q)TEST_SPARK_HOME=$(SPARK_VENV)/spark SCRIPT_TIMEOUT=900 SCRIPT_JOBS=2 tests/lib/run-scripts.sh spark $(B)/bin \
	  $(SPARK_SCRIPTS)

.PHONY: check-deploy
check-deploy: programs ## what deploy/ has for Spark, Kubernetes and containers
	$(Q)deploy/deps.sh build check spark
	$(Q)tests/spark/venv.sh $(SPARK_VENV) $(SPARK_VERSION)
	$(Q)tests/keras/venv.sh build/venv-deploy tests/deploy/requirements.txt
	$(Q)build/venv-deploy/bin/python tests/deploy/check_deploy.py $(B)/bin $(SPARK_VENV)/spark

bench: programs ## worker start-up, parsing, training and demo times
	$(Q)tests/bench/bench.py $(B)/bin

.PHONY: bench-loop
bench-loop: programs ## what work with a large model does to the small requests of others
	$(Q)tests/bench/bench_loop.py $(B)/bin

.PHONY: check-peer
check-peer: programs ## the real Elephas 7.3.0 with parameter servers of ours
	$(Q)tests/peer/check.sh build/venv-peer tests/bench/peer-requirements.txt $(B)/bin

# beside Elephas 7.3.0; PEER= leaves that out, RUNS=5 repeats more often
.PHONY: bench-spark
PEER := build/venv-peer
bench-spark: ## a job on Spark beside Spark's start, the local engine and Elephas
	$(Q)deploy/deps.sh build spark
	$(Q)$(MAKE) --no-print-directory programs spark bundle
	$(Q)tests/spark/venv.sh $(SPARK_VENV) $(SPARK_VERSION)
	$(if $(PEER),$(Q)tests/keras/venv.sh $(PEER) tests/bench/peer-requirements.txt)
	$(Q)tests/bench/bench_spark.py $(B)/bin $(SPARK_VENV)/spark \
	  $(if $(PEER),--peer $(PEER)/bin/python) $(if $(RUNS),--runs $(RUNS))

.PHONY: bench-ps
bench-ps: programs ## the parameter server beside Elephas' and bare loopback (PEER= for none; BENCH=quick)
	$(if $(PEER),$(Q)tests/keras/venv.sh $(PEER) tests/bench/peer-requirements.txt)
	$(Q)tests/bench/bench_ps.py $(B)/bin $(if $(PEER),--peer $(PEER)/bin/python) \
	  $(if $(filter quick,$(BENCH)),--quick) $(if $(ONLY),--only $(ONLY))

lint: $(GEN_H) ## house rules: dependency law, sizes, headers, scripts
	$(Q)python3 tests/lint/lint.py .
	$(Q)tests/lint/headers.sh $(CC) -std=c11 $(CPPFLAGS_ALL) -Wall -Wextra -Werror
	$(Q)shellcheck -x $$(git ls-files -co --exclude-standard '*.sh' .ci/run)

format-check: ## clang-format has nothing to change
	$(Q)clang-format --dry-run -Werror $$(git ls-files -co --exclude-standard '*.[ch]')

# ---- golden: numbers recorded from Keras ------------------------------------

.PHONY: check-golden check-golden-one check-grad

$(B)/tests/golden/check_golden: $(B)/obj/tests/golden/check_golden.o \
  $(B)/obj/tests/golden/case.o $(B)/obj/tests/golden/run.o $(foreach r,$(NEEDS_nn),$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_BLAS) $(LIBS_KERAS) $(LIBS_COMMON)

check-golden-one: $(B)/tests/golden/check_golden
	$(Q)tests/golden/selftest.sh $< tests/golden/cases
	$(Q)$< tests/golden/cases $(CASE)

check-golden: ## every recorded Keras case, with and without BLAS (CASE=NAME for one)
	$(Q)$(MAKE) --no-print-directory check-golden-one
	$(if $(filter none,$(BLAS)),,$(Q)$(MAKE) --no-print-directory BLAS=none B=$(B)-noblas check-golden-one check-grad)

check-grad: $(patsubst %,$(B)/tests/unit/nn/check_%,conv gemm rnn gradient $(addprefix gradient_,attention merge noise norm ops options pointwise)) ## gradients of this flavour against differences
	$(Q)tests/lib/run-units.sh $^

.PHONY: bench-step

$(B)/tests/bench/bench_step: $(B)/obj/tests/bench/bench_step.o $(foreach r,nn model common,$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_BLAS) $(LIBS_COMMON)

bench-step: $(B)/tests/bench/bench_step ## samples/s of one training step of the MNIST MLP
	$(Q)$<

.PHONY: bench-rows

$(B)/tests/bench/bench_rows: $(B)/obj/tests/bench/bench_rows.o $(foreach r,worker nn keras model common,$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_BLAS) $(LIBS_KERAS) $(LIBS_CURL) $(LIBS_COMMON)

bench-rows: $(B)/tests/bench/bench_rows ## rows/s of the csv reader, numbers/s of the printer
	$(Q)gzip -dc tests/data/mnist5k_train.csv.gz >$(B)/mnist.csv
	$(Q)$< $(B)/mnist.csv label

# Clusters of the training core under faults, on a virtual clock:
# make check-sim SEED=n RUNS=k
SIM_OBJ := $(patsubst %.c,$(B)/obj/%.o,$(wildcard tests/sim/*.c))

.PHONY: check-sim
check-sim: $(B)/tests/sim/check_sim ## the training core under faults: SEED=n RUNS=k
	$(Q)$(if $(SANITIZER),CK_FORK=no )$(if $(SEED),SEED=$(SEED) )$(if $(RUNS),RUNS=$(RUNS) )$<

$(B)/tests/sim/check_sim: $(SIM_OBJ) $(TESTLIB_OBJ) $(foreach r,core model common,$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ -lcheck -lsubunit -lrt $(LIBS_CURL) $(LIBS_COMMON)

# ---- docs/KERAS.md: what is supported, from the code itself -------------------

.PHONY: docs-keras

LIST_KERAS := $(B)/tests/tools/list_keras

$(LIST_KERAS): $(B)/obj/tests/tools/list_keras.o $(foreach r,$(NEEDS_model),$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_COMMON)

docs-keras: $(LIST_KERAS) ## write the tables of docs/KERAS.md anew
	$(Q)tests/tools/keras_doc.sh $< docs/KERAS.md

# ---- fuzzing -----------------------------------------------------------------

FUZZ_TARGETS := keras wire rows http codec compat
FUZZ_BIN := $(FUZZ_TARGETS:%=$(B)/tests/fuzz/fuzz_%)
FUZZ_FILES_keras := tests/golden/files tests/golden/files/unsupported
# how a target ends: with a driver that replays files, or with the fuzzer's own
FUZZ_MAIN = $(if $(FUZZER),,$(B)/obj/tests/fuzz/replay.o)
TIME := 60

.PHONY: fuzz fuzz-run check-fuzz

$(B)/tests/fuzz/fuzz_%: $(B)/obj/tests/fuzz/fuzz_%.o $(B)/obj/tests/fuzz/replay.o \
  $(foreach r,driver core worker nn keras model common,$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) $(if $(FUZZER),-fsanitize=fuzzer) -o $@ \
	  $(filter-out %/replay.o,$^) $(FUZZ_MAIN) $(LIBS_ALL) $(LIBS_COMMON)

check-fuzz: $(FUZZ_BIN) ## every file of the fuzzers' corpus is read without a fault
	$(Q)set -e; $(foreach t,$(FUZZ_TARGETS),$(B)/tests/fuzz/fuzz_$t tests/fuzz/corpus/$t $(FUZZ_FILES_$t);)

fuzz: ## look for new faults with libFuzzer: TIME=60 seconds a target
	$(Q)$(MAKE) --no-print-directory CC=clang SANITIZER=fuzzer-no-link,address,undefined \
	  FUZZER=yes B=build/fuzz fuzz-run

# What is found is kept in build/fuzz/corpus; inputs that fail are left in
# build/fuzz/fault-*: make them small, fix, and put them into tests/fuzz/corpus.
fuzz-run: $(FUZZ_BIN)
	$(Q)set -e; for t in $(FUZZ_TARGETS); do mkdir -p $(B)/corpus/$$t; \
	  $(B)/tests/fuzz/fuzz_$$t -max_total_time=$(TIME) -timeout=20 -rss_limit_mb=4096 \
	    -malloc_limit_mb=0 -print_final_stats=1 -verbosity=0 -artifact_prefix=$(B)/fault-$$t- \
	    $(B)/corpus/$$t tests/fuzz/corpus/$$t \
	    $$([ $$t != keras ] || echo $(FUZZ_FILES_keras)); done

# ---- coverage ----------------------------------------------------------------

.PHONY: cover cover-run

COVER_FOLDERS := common/model common/keras worker/nn
COVER_UNITS := $(patsubst %.c,$(B)/%,$(wildcard $(foreach r,model keras nn,tests/unit/$(r)/check_*.c)))

cover: ## lines of model, keras and nn that unit and golden tests run (goal: 90 %)
	$(Q)$(MAKE) --no-print-directory CC=gcc B=build/cover OPT='-O0 -g' KERNEL_OPT= \
	  CFLAGS=--coverage LDFLAGS=--coverage cover-run

cover-run: $(COVER_UNITS) $(B)/tests/golden/check_golden
	$(Q)find $(B) -name '*.gcda' -delete
	-$(Q)tests/lib/run-units.sh $(COVER_UNITS)
	-$(Q)$(B)/tests/golden/check_golden tests/golden/cases
	$(Q)tests/lib/cover.py $(B)/obj $(COVER_FOLDERS)
