// SPDX-License-Identifier: MIT
//
// Failure: a job cannot go on, and why, in one sentence for people. Everything
// that the bridge itself finds wrong is one of these; what Spark throws is
// turned into one at the end (see Bridge).
package elephas.spark;

final class Failure extends Exception {
    private static final long serialVersionUID = 1;
    /** The fault is in what was asked for or in the data, not in the machines. */
    final boolean input;

    Failure(String message) {
        this(message, false);
    }

    Failure(String message, boolean input) {
        super(message);
        this.input = input;
    }

    static Failure input(String message) {
        return new Failure(message, true);
    }

    Failure(String message, Throwable cause) {
        super(message, cause);
        input = false;
    }

    /** The first line of the deepest message that says something. */
    static String reason(Throwable thrown) {
        String best = thrown.getClass().getSimpleName();
        for (Throwable t = thrown; t != null; t = t.getCause() == t ? null : t.getCause()) {
            if (t.getMessage() != null && !t.getMessage().isBlank()) {
                best = firstLine(t.getMessage());
            }
        }
        return best;
    }

    static String firstLine(String text) {
        String line = text.strip();
        int end = line.indexOf('\n');
        return end < 0 ? line : line.substring(0, end).strip();
    }
}
