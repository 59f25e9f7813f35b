// SPDX-License-Identifier: MIT
//
// Train: the workers of a training job. Resident: one Spark job in which every
// partition has a slot, for all epochs; the workers meet at elephasd. Stage:
// one Spark job for each round, for more partitions than slots: nothing waits
// for a task that cannot run, because nobody waits within a job; the rows are
// parsed once and kept by Spark. What is trained lives at elephasd in both, so
// a resident run that loses slots for good goes on by stage.
package elephas.spark;

import java.util.Iterator;
import org.apache.spark.api.java.JavaFutureAction;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.apache.spark.storage.StorageLevel;

final class Train {
    /** How long a resident run is without its slots before it changes. */
    private static final long PATIENCE_MS = 15_000;
    private static final int STALLED_MAX = 3;

    private final JavaSparkContext spark;
    private final Order order;
    private final Reporter reporter;

    Train(JavaSparkContext spark, Order order, Reporter reporter) {
        this.spark = spark;
        this.order = order;
        this.reporter = reporter;
    }

    void run(Input<?> input) throws Exception {
        int partitions = input.partitions();
        int slots = Watch.get().slots();
        boolean resident = order.rounds.equals("resident")
                || (order.rounds.equals("auto") && slots >= partitions);
        String why = order.rounds.equals("auto") ? "" : ", as asked for";
        if (resident && slots < partitions) {
            throw Failure.input("rounds resident: " + partitions + " partitions want a slot each, "
                    + "there are " + slots + ": give more cores, fewer --workers, or "
                    + "leave out --rounds");
        }
        reporter.put("partitions", partitions).put("slots", slots)
                .put("rounds", resident ? "resident" : "stage");
        reporter.log(partitions + " partitions on " + slots + " slots: "
                + (resident ? "resident workers, one Spark job for all epochs"
                        : "one Spark job for each round, parsed rows kept by Spark") + why);
        reporter.state("running");
        reporter.position();
        if (resident && !resident(input)) {
            reporter.put("rounds", "stage");
            reporter.log("slots were lost: going on with one Spark job for each round");
            resident = false;
        }
        if (!resident) {
            stages(input);
        }
    }

    /** False: slots were lost for good, and the rest is to be done by stage. */
    private boolean resident(Input<?> input) throws Exception {
        JavaRDD<String> out = Pipes.through(spark, input.lines(null), order, "train");
        JavaFutureAction<Long> job = out.mapPartitions(Train::drain, true).countAsync();
        long missing = 0;
        while (!job.isDone()) {
            Reporter.pause(20);
            if (Watch.get().slots() >= input.partitions()) {
                missing = 0;
            } else if (missing == 0) {
                missing = System.nanoTime();
            } else if (System.nanoTime() - missing > PATIENCE_MS * 1_000_000) {
                job.cancel(true);
                return false;
            }
        }
        job.get();
        return true;
    }

    /** The lines of the workers are for people who run them by hand. */
    private static Iterator<Integer> drain(Iterator<String> lines) {
        int n = 0;
        while (lines.hasNext()) {
            lines.next();
            n++;
        }
        return java.util.List.of(n).iterator();
    }

    private void stages(Input<?> input) throws Exception {
        JavaRDD<String> kept = input.encoder instanceof Encoder.Text
                ? Pipes.through(spark, input.lines(null), order, "pack")
                : input.lines(null);
        kept.persist(StorageLevel.MEMORY_AND_DISK());
        int stalled = 0;
        Reporter.Position at = reporter.position();
        while (!at.finished) {
            String until = order.batch ? at.trained + "." + (at.step + 1)
                    : String.valueOf(at.trained + 1);
            JavaRDD<String> lines = kept.mapPartitions(
                    new Again(input.head.copy().word("until", until)), true);
            Pipes.through(spark, lines, order, "train")
                    .mapPartitions(Train::drain, true).count();
            Reporter.Position now = reporter.position();
            stalled = now.trained == at.trained && now.step == at.step ? stalled + 1 : 0;
            if (stalled == STALLED_MAX) {
                throw new Failure("round " + until + " does not complete although every "
                        + "partition was trained");
            }
            at = now;
        }
        kept.unpersist();
    }
}
