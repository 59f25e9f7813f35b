# SPDX-License-Identifier: MIT
#
# One Makefile, non-recursive, out of tree. What is built is found by folder;
# the dependency law between the folders is checked by `make lint`.
#
#   make demo | make check      everything from a bare machine: installs the
#                               packages it lacks, builds, runs
#   make CC=clang SANITIZER=address,undefined BLAS=none V=1 WERROR=1 ...
#
# Programs of the default flavour appear in build/bin.

VERSION := 0.1.0
CC := gcc
SANITIZER :=
BLAS := openblas
WERROR :=
V :=
PREFIX := /usr/local
DESTDIR :=

comma := ,
CCNAME := $(notdir $(firstword $(CC)))
FLAVOR := $(CCNAME)$(if $(SANITIZER),-$(subst $(comma),-,$(SANITIZER)))$(if $(filter none,$(BLAS)),-noblas)
B := build/$(FLAVOR)
Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-5s %s\n' '$(1)' '$(2)')

# ---- flags -----------------------------------------------------------------

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
  -Wmissing-prototypes -Wold-style-definition -Wformat=2 -Wcast-align \
  -Wundef -Wvla -Wpointer-arith -Wwrite-strings \
  $(if $(findstring clang,$(CCNAME)),-Wimplicit-fallthrough,-Wimplicit-fallthrough=5) \
  -Werror=implicit-function-declaration -Werror=incompatible-pointer-types \
  -Werror=return-type $(if $(findstring clang,$(CCNAME)),,-Werror=overflow) \
  $(if $(WERROR),-Werror)
HARDEN := -fno-common -fstack-protector-strong -fstack-clash-protection
SANFLAGS := $(if $(SANITIZER),-fsanitize=$(SANITIZER) -fno-sanitize-recover=all -fno-omit-frame-pointer)
OPT := $(if $(SANITIZER),-O1 -g,-O2 -g -D_FORTIFY_SOURCE=2)
# The vector kernels are plain loops that the compiler vectorises; -O3 only
# for them, without errno (sqrt is one instruction then), and never with
# -ffast-math (NaN checks, reference cases).
KERNEL_OPT := $(if $(SANITIZER),,-O3) -fno-math-errno

PACKAGES := libevent libevent_openssl libevent_pthreads libprotobuf-c libcurl \
  jansson libzip hdf5 sqlite3 libsystemd openssl zlib \
  $(if $(filter none,$(BLAS)),,openblas)
# asked once, when the first recipe needs it: the packages may not be there
# when make starts
PKG_CFLAGS = $(eval PKG_CFLAGS := $$(shell pkg-config --cflags $$(PACKAGES)))$(PKG_CFLAGS)
PKG_LIBDIRS = $(eval PKG_LIBDIRS := $$(shell pkg-config --libs-only-L $$(PACKAGES)))$(PKG_LIBDIRS)

CPPFLAGS_ALL = -D_GNU_SOURCE -DELEPHAS_VERSION='"$(VERSION)"' -I. -I$(B)/gen \
  $(if $(filter none,$(BLAS)),-DBLAS_NONE) $(patsubst -I%,-isystem %,$(PKG_CFLAGS))
CFLAGS_ALL = -std=c11 $(OPT) $(WARN) $(HARDEN) $(SANFLAGS) $(CFLAGS)
LDFLAGS_ALL = $(SANFLAGS) -Wl,-z,relro,-z,now -Wl,--as-needed $(PKG_LIBDIRS) $(LDFLAGS)

LIBS_COMMON := -ljansson -lprotobuf-c -lcrypto -lz -lm -lpthread
LIBS_KERAS := -lzip -lhdf5
LIBS_CURL := -lcurl
LIBS_BLAS := $(if $(filter none,$(BLAS)),,-lopenblas)
LIBS_EVENT := -levent_openssl -levent_pthreads -levent -lssl
LIBS_DAEMON := $(LIBS_EVENT) -lsqlite3 -lsystemd

# ---- sources ---------------------------------------------------------------

PROTO := $(wildcard proto/elephas/v1/*.proto)
GEN_C := $(patsubst proto/%.proto,$(B)/gen/%.pb-c.c,$(PROTO))
GEN_H := $(GEN_C:.c=.h)

SRC_common := $(wildcard common/*.c)
SRC_model := $(wildcard common/model/*.c common/model/*/*.c)
SRC_keras := $(wildcard common/keras/*.c)
SRC_nn := $(wildcard worker/nn/*.c worker/nn/*/*.c)
SRC_worker := $(filter-out worker/main.c,$(wildcard worker/*.c))
SRC_core := $(wildcard driver/core/*.c)
SRC_driver := $(filter-out driver/main.c,$(wildcard driver/*.c))
SRC_submit := $(filter-out driver/submit/main.c,$(wildcard driver/submit/*.c))
ROOMS := common model keras nn worker core driver submit

$(foreach r,$(ROOMS),$(eval OBJ_$(r) := $(SRC_$(r):%.c=$(B)/obj/%.o)))
OBJ_gen := $(GEN_C:.c=.o)
LIB = $(B)/lib/lib$(1).a

PROGRAMS := elephasd elephas-submit elephas-worker
UNIT_SRC := $(wildcard tests/unit/*/check_*.c)
UNIT_BIN := $(UNIT_SRC:%.c=$(B)/%)
TESTLIB_SRC := $(wildcard tests/lib/*.c)
TESTLIB_OBJ := $(TESTLIB_SRC:%.c=$(B)/obj/%.o)

.PHONY: all programs units deps demo check help clean
.DEFAULT_GOAL := all
.SECONDARY:
.DELETE_ON_ERROR:

all: deps ## build the three programs (installs missing packages first)
	$(Q)$(MAKE) --no-print-directory programs

programs: $(PROGRAMS:%=$(B)/bin/%)
	$(if $(filter build/gcc,$(B)),$(Q)mkdir -p build/bin && ln -f $(PROGRAMS:%=$(B)/bin/%) build/bin/)

units: $(UNIT_BIN)

deps: ## install the Debian packages that are missing
	$(Q)deploy/deps.sh build

# ---- rules -----------------------------------------------------------------

$(B)/gen/%.pb-c.c $(B)/gen/%.pb-c.h: proto/%.proto
	$(call say,PROTO,$<)
	$(Q)mkdir -p $(B)/gen && protoc-c --c_out=$(B)/gen -Iproto $<

$(B)/gen/%.o: $(B)/gen/%.c | $(GEN_H)
	$(Q)$(CC) -std=c11 $(OPT) $(HARDEN) $(SANFLAGS) -I$(B)/gen -c -o $@ $<

$(B)/obj/common/codec.o $(B)/obj/common/codec_%.o $(B)/obj/common/model/%.o $(B)/obj/worker/nn/%.o $(B)/obj/driver/core/%.o: KERNEL := $(KERNEL_OPT)

$(B)/obj/%.o: %.c | $(GEN_H)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D) && $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(KERNEL) -MMD -MP -c -o $@ $<

define archive
$(call LIB,$(1)): $(OBJ_$(1)) $(if $(filter common,$(1)),$(OBJ_gen))
	$$(call say,AR,$$@)
	$$(Q)mkdir -p $$(@D) && rm -f $$@ && $(AR) rcs $$@ $$^
endef
$(foreach r,$(ROOMS),$(eval $(call archive,$(r))))

$(B)/bin/elephasd: $(B)/obj/driver/main.o $(foreach r,driver core model common,$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_DAEMON) $(LIBS_COMMON)

$(B)/bin/elephas-submit: $(B)/obj/driver/submit/main.o $(foreach r,submit keras model common,$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_KERAS) $(LIBS_CURL) $(LIBS_COMMON)

$(B)/bin/elephas-worker: $(B)/obj/worker/main.o $(foreach r,worker nn keras model common,$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -o $@ $^ $(LIBS_BLAS) $(LIBS_KERAS) $(LIBS_CURL) $(LIBS_COMMON)

# A test links what its room may use, so that one room's tests build while
# another is in pieces. It may have plug-ins (common/model/plugin.h) in itself.
NEEDS_common := common
NEEDS_model := model common
NEEDS_keras := keras model common
NEEDS_nn := nn keras model common
NEEDS_worker := worker nn keras model common
NEEDS_core := core model common
NEEDS_driver := driver core model common
NEEDS_submit := submit keras model common
LIBS_ALL := $(LIBS_DAEMON) $(LIBS_BLAS) $(LIBS_KERAS) $(LIBS_CURL)

define unit_test
$(B)/tests/unit/$(1)/%: $(B)/obj/tests/unit/$(1)/%.o $(TESTLIB_OBJ) $(foreach r,$(NEEDS_$(1)),$(call LIB,$(r)))
	$$(call say,LINK,$$@)
	$$(Q)mkdir -p $$(@D) && $$(CC) $$(LDFLAGS_ALL) -Wl,--export-dynamic-symbol='elephas_*' -o $$@ $$^ $$(LIBS_ALL) -lcheck -lsubunit -lrt $$(LIBS_COMMON)
endef
$(foreach r,$(ROOMS),$(eval $(call unit_test,$(r))))

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# ---- Spark -----------------------------------------------------------------

# The bridge is compiled against the jars of an installation: SPARK_HOME, or the
# pinned one in a private venv. One jar runs on 3.5 and on 4.x.
SPARK_VERSION ?= 4.0.0
SPARK_VENV := build/venv-spark-$(SPARK_VERSION)
SPARK_DIR = $(abspath $(if $(SPARK_HOME),$(SPARK_HOME),$(SPARK_VENV)/spark))
SPARK_JARS = $(SPARK_DIR)/jars
JAR := $(B)/share/elephas/elephas-spark.jar
ARCH := $(shell uname -m)
BUNDLE := $(B)/share/elephas/elephas-worker-$(VERSION)-linux-$(ARCH).tar.gz
.PHONY: spark bundle

spark: $(JAR) ## build the Java bridge (Spark from SPARK_HOME, or a private venv)
	$(if $(SPARK_HOME),,$(Q)tests/spark/venv.sh $(SPARK_VENV) $(SPARK_VERSION))
	$(Q)deploy/spark-classes.sh $(SPARK_DIR) $(abspath $(JAR)) $(abspath $(dir $(JAR)))

$(JAR): $(wildcard driver/spark/*.java)
	$(if $(SPARK_HOME),,$(Q)tests/spark/venv.sh $(SPARK_VENV) $(SPARK_VERSION))
	$(call say,JAVAC,$@)
	$(Q)rm -rf $(B)/classes && mkdir -p $(B)/classes $(@D)
	$(Q)javac -Xlint:all,-path,-processing $(if $(WERROR),-Werror) -proc:none --release 17 \
	  -cp '$(SPARK_JARS)/*' -d $(B)/classes $^
	$(Q)printf 'Implementation-Version: $(VERSION)\n' >$(B)/classes.mf
	$(Q)jar --create --file $@.part --manifest $(B)/classes.mf -C $(B)/classes elephas && mv $@.part $@

bundle: $(BUNDLE) ## pack elephas-worker with its libraries for executors

$(B)/bundle/elephas-worker: $(B)/obj/worker/main.o $(foreach r,worker nn keras model common,$(call LIB,$(r)))
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D) && $(CC) $(LDFLAGS_ALL) -Wl,-rpath,'$$ORIGIN/../lib',--disable-new-dtags \
	  -o $@ $^ $(LIBS_BLAS) $(LIBS_KERAS) $(LIBS_CURL) $(LIBS_COMMON)

$(BUNDLE): $(B)/bundle/elephas-worker deploy/bundle.sh
	$(Q)deploy/bundle.sh $< $@

include tests/checks.mk

demo: all ## train, evaluate and predict MNIST with a private elephasd
	$(Q)deploy/demo.sh $(B)/bin build/demo

install: all ## install into DESTDIR/PREFIX
	$(Q)deploy/install.sh '$(DESTDIR)' '$(PREFIX)'

uninstall: ## remove what install put there
	$(Q)deploy/install.sh --remove '$(DESTDIR)' '$(PREFIX)'

clean: ## remove build/
	rm -rf build

help: ## show this
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo '  variables: CC=gcc|clang SANITIZER=address|undefined|thread BLAS=none WERROR=1 V=1 PREFIX= DESTDIR='
