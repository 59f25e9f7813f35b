// SPDX-License-Identifier: MIT
//
// Csv: what the first line of comma-separated rows tells: the delimiter, and
// whether it is the header. The rules are those of the worker (worker/csv.c),
// which reads the same files on the local engine.
package elephas.spark;

import java.util.ArrayList;
import java.util.List;

final class Csv {
    private Csv() {
    }

    /** Comma; semicolon or tab when the line has no comma outside quotes. */
    static char delimiter(String line) {
        boolean quoted = false;
        char found = 0;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '"') {
                quoted = !quoted;
            } else if (!quoted && c == ',') {
                return ',';
            } else if (!quoted && (c == ';' || (c == '\t' && found == 0))) {
                found = c;
            }
        }
        return found != 0 ? found : ',';
    }

    static List<String> fields(String line) {
        List<String> out = new ArrayList<>();
        char delimiter = delimiter(line);
        StringBuilder field = new StringBuilder();
        boolean quoted = false;
        for (int i = 0; i < line.length(); i++) {
            char c = line.charAt(i);
            if (c == '"') {
                quoted = !quoted;
            } else if (c == delimiter && !quoted) {
                out.add(field.toString().strip());
                field.setLength(0);
                continue;
            }
            if (c != '"') {
                field.append(c);
            }
        }
        out.add(field.toString().strip());
        return out;
    }

    /** A first line without any number names the columns. */
    static boolean isHeader(String line, Boolean told) {
        if (told != null) {
            return told;
        }
        for (String field : fields(line)) {
            try {
                Double.parseDouble(field);
                return false;
            } catch (NumberFormatException e) {
                continue;
            }
        }
        return !line.isBlank();
    }
}
