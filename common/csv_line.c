/* SPDX-License-Identifier: MIT
 *
 * csv_line: see csv_line.h. A doubled quote inside of quotes (RFC 4180) closes
 * and opens again, so it needs no case of its own here.
 */
#include "common/csv_line.h"

#include <stdbool.h>

char csv_line_delimiter(struct view line)
{
    bool quoted = false;
    char found = '\0';

    for (size_t i = 0; i < line.len; i++) {
        char c = (char)line.data[i];

        if (c == '"') {
            quoted = !quoted;
        } else if (!quoted && c == ',') {
            return ',';
        } else if (!quoted && (c == ';' || (c == '\t' && found == '\0'))) {
            found = c;
        }
    }
    return found != '\0' ? found : ',';
}

size_t csv_line_fields(struct view line, char delimiter)
{
    bool quoted = false;
    size_t n = 1;

    for (size_t i = 0; i < line.len; i++) {
        quoted = line.data[i] == '"' ? !quoted : quoted;
        n += !quoted && line.data[i] == (uint8_t)delimiter;
    }
    return n;
}
