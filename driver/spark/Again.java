// SPDX-License-Identifier: MIT
//
// Again: a kept partition, fed to another worker. What is kept is what one
// worker was given, or what `elephas-worker pack` made of it; its first line
// names that attempt, so the words about the rows are taken from it and the
// identity of this attempt is put in front.
package elephas.spark;

import java.util.Iterator;
import java.util.List;
import java.util.Set;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.FlatMapFunction;

final class Again implements FlatMapFunction<Iterator<String>, String> {
    private static final long serialVersionUID = 1;
    private static final Set<String> ABOUT_ROWS = Set.of("format", "header", "first", "step",
            "end", "columns", "label", "weight", "features", "packed");

    private final Feed.Head head;

    Again(Feed.Head head) {
        this.head = head;
    }

    @Override
    public Iterator<String> call(Iterator<String> kept) {
        if (!kept.hasNext()) {
            return kept;
        }
        StringBuilder first = new StringBuilder(head.identity());
        TaskContext context = TaskContext.get();
        first.append(" partition=").append(context.partitionId());
        first.append(" attempt=").append(context.taskAttemptId());
        for (String word : kept.next().split(" ")) {
            int equals = word.indexOf('=');
            if (equals > 0 && ABOUT_ROWS.contains(word.substring(0, equals))) {
                first.append(' ').append(word);
            }
        }
        Iterator<String> one = List.of(first.toString()).iterator();
        return new Iterator<>() {
            @Override
            public boolean hasNext() {
                return one.hasNext() || kept.hasNext();
            }

            @Override
            public String next() {
                return one.hasNext() ? one.next() : kept.next();
            }
        };
    }
}
