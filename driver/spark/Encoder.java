// SPDX-License-Identifier: MIT
//
// Encoder: rows into the lines that a worker reads. Text rows are lines
// already; packed rows (little-endian float32) go out in base64, many rows a
// line, which costs neither side the printing and reading of numbers.
package elephas.spark;

import java.io.Serializable;
import java.util.Base64;
import java.util.Iterator;
import java.util.NoSuchElementException;

abstract class Encoder<R> implements Serializable {
    private static final long serialVersionUID = 1;

    /** Lines for rows; partition is for messages. */
    abstract Iterator<String> encode(int partition, Iterator<R> rows);

    /** Lines as they are. One that could be taken for a control line is refused. */
    static final class Text extends Encoder<String> {
        private static final long serialVersionUID = 1;

        @Override
        Iterator<String> encode(int partition, Iterator<String> rows) {
            return new Iterator<>() {
                private long row;

                @Override
                public boolean hasNext() {
                    return rows.hasNext();
                }

                @Override
                public String next() {
                    String line = rows.next();
                    row++;
                    if (line.startsWith(Feed.MARK)) {
                        throw new BadRow(partition, row, "a row begins with " + Feed.MARK);
                    }
                    return line;
                }
            };
        }
    }

    /** Packed rows, joined to lines of about BYTES. */
    static final class Packed extends Encoder<byte[]> {
        private static final long serialVersionUID = 1;
        private static final int BYTES = 48 * 1024;

        @Override
        Iterator<String> encode(int partition, Iterator<byte[]> rows) {
            return new Iterator<>() {
                private byte[] buffer = new byte[0];
                private byte[] held; // a row of another length than its line

                @Override
                public boolean hasNext() {
                    return held != null || rows.hasNext();
                }

                @Override
                public String next() {
                    if (!hasNext()) {
                        throw new NoSuchElementException();
                    }
                    byte[] first = held != null ? held : rows.next();
                    held = null;
                    int most = Math.max(1, BYTES / Math.max(1, first.length));
                    if (buffer.length != most * first.length) {
                        buffer = new byte[most * first.length];
                    }
                    System.arraycopy(first, 0, buffer, 0, first.length);
                    int used = first.length;
                    while (used < buffer.length && rows.hasNext()) {
                        byte[] row = rows.next();
                        if (row.length != first.length) {
                            held = row;
                            break;
                        }
                        System.arraycopy(row, 0, buffer, used, row.length);
                        used += row.length;
                    }
                    byte[] whole = used == buffer.length ? buffer
                            : java.util.Arrays.copyOf(buffer, used);
                    return Base64.getEncoder().encodeToString(whole);
                }
            };
        }
    }
}
