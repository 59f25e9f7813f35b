// SPDX-License-Identifier: MIT
//
// WorkerFailure: a worker of one partition failed. It is thrown in the task, so
// Spark itself carries it to the driver, whatever the state of elephasd or of
// the network. The first line names partition, attempt, host and status for
// the bridge; what the worker wrote on standard error comes behind it.
package elephas.spark;

final class WorkerFailure extends RuntimeException {
    private static final long serialVersionUID = 1;
    static final String MARK = "#elephas-worker ";
    /** Exit status of a worker whose input was refused: trying again is no use. */
    static final int STATUS_INPUT = 2;

    WorkerFailure(int partition, long attempt, String host, int status, String text) {
        super(MARK + "partition=" + partition + " attempt=" + attempt + " host=" + host
                + " status=" + status + "\n" + text);
    }

    /** A failure's text taken apart. */
    static final class Parts {
        final String partition;
        final String host;
        final int status; // -1: the worker did not end by itself
        final String text; // lines of standard error, or the reason

        private Parts(String partition, String host, int status, String text) {
            this.partition = partition;
            this.host = host;
            this.status = status;
            this.text = text;
        }

        /** Null if this is no failure of a worker. */
        static Parts of(String message) {
            int at = message == null ? -1 : message.indexOf(MARK);
            if (at < 0) {
                return null;
            }
            String body = message.substring(at + MARK.length());
            int end = body.indexOf('\n');
            String head = end < 0 ? body : body.substring(0, end);
            return new Parts(word(head, "partition"), word(head, "host"),
                    Integer.parseInt(word(head, "status")),
                    end < 0 ? "" : body.substring(end + 1).strip());
        }

        /** One sentence for people. */
        String sentence() {
            String last = "";
            for (String line : text.split("\n")) {
                if (!line.isBlank()) {
                    last = line.strip();
                }
            }
            if (last.startsWith("elephas-worker: ")) {
                last = last.substring("elephas-worker: ".length());
            }
            if (last.isEmpty()) {
                last = status > 128 ? "the worker was ended by signal " + (status - 128)
                        : "the worker ended with status " + status;
            } else if (status > 128) {
                last = last + " (ended by signal " + (status - 128) + ")";
            }
            return "partition " + partition + " on " + host + ": " + last;
        }

        private static String word(String head, String key) {
            for (String w : head.split(" ")) {
                if (w.startsWith(key + "=")) {
                    return w.substring(key.length() + 1);
                }
            }
            return "-1";
        }
    }
}
