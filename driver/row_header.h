/* SPDX-License-Identifier: MIT
 *
 * row_header: whether the first line of a csv file names the columns: it does
 * if none of its fields is a number (docs/PROTOCOL.md section 6, as the worker
 * sees it).
 */
#ifndef DRIVER_ROW_HEADER_H
#define DRIVER_ROW_HEADER_H

#include "common/buf.h"

enum row_header_guess {
    ROW_HEADER_NAMES,  /* no field is a number */
    ROW_HEADER_VALUES, /* all are */
    ROW_HEADER_MIXED   /* neither */
};

enum row_header_guess row_header_guess(struct view line);

#endif
