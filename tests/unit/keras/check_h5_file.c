/* SPDX-License-Identifier: MIT
 *
 * check_h5_file: check_h5 without the process between; see there.
 */
#define CHECK_H5_FILE
#include "tests/unit/keras/check_h5.c"
