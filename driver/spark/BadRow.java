// SPDX-License-Identifier: MIT
//
// BadRow: a row cannot be given to a worker: a null, a value that is not
// finite, a vector of the wrong length. Thrown on an executor; the bridge
// turns it into a sentence with the row's number in the data (see Rows).
package elephas.spark;

final class BadRow extends RuntimeException {
    private static final long serialVersionUID = 1;
    static final String MARK = "#elephas-row ";

    BadRow(int partition, long row, String what) {
        super(MARK + "partition=" + partition + " row=" + row + "\n" + what);
    }

    /** The reason without the place; null if this is no bad row. */
    static String reason(String message) {
        int at = message == null ? -1 : message.indexOf(MARK);
        int end = at < 0 ? -1 : message.indexOf('\n', at);
        return end < 0 ? null : Failure.firstLine(message.substring(end + 1));
    }

    /** partition or row; -1 if it is not there. */
    static long number(String message, String key) {
        int at = message.indexOf(MARK);
        String head = Failure.firstLine(message.substring(at + MARK.length()));
        for (String word : head.split(" ")) {
            if (word.startsWith(key + "=")) {
                return Long.parseLong(word.substring(key.length() + 1));
            }
        }
        return -1;
    }
}
