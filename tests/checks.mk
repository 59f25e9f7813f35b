# SPDX-License-Identifier: MIT
#
# The parts of `make check`, each runnable alone. Included by the Makefile.

.PHONY: check-unit check-one

# make check-one T=tests/unit/common/check_buf
check-one: $(B)/$(T) ## build and run one unit test: T=tests/unit/ROOM/check_NAME
	$(Q)$(B)/$(T)

check-unit: units ## unit tests of this flavour
	$(Q)tests/lib/run-units.sh $(UNIT_BIN)
