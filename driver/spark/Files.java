// SPDX-License-Identifier: MIT
//
// Files: the files behind sources (paths, globs, directories on any file
// system that Spark's Hadoop knows), in the order of their names as on the local
// engine, and their first line.
package elephas.spark;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.io.compress.CompressionCodec;
import org.apache.hadoop.io.compress.CompressionCodecFactory;

final class Files {
    private final Configuration conf;
    private final boolean deep;
    final List<FileStatus> all = new ArrayList<>();

    private Files(Configuration conf, boolean deep) {
        this.conf = conf;
        this.deep = deep;
    }

    /** deep: also what is in directories of directories, as in partitioned tables. */
    static Files find(Configuration conf, List<String> sources, boolean deep) throws Failure {
        Files files = new Files(conf, deep);
        for (String source : sources) {
            try {
                files.add(source);
            } catch (IOException | IllegalArgumentException e) {
                throw Failure.input(source + ": " + Failure.reason(e));
            }
        }
        if (files.bytes() == 0) {
            throw Failure.input(String.join(", ", sources) + ": there are no rows");
        }
        return files;
    }

    /** The source as Spark should read it: local paths are files, whatever the default is. */
    static String qualify(String source) {
        return source.startsWith("/") ? "file://" + source : source;
    }

    static boolean exists(Configuration conf, String path) throws Failure {
        try {
            Path p = new Path(qualify(path));
            return p.getFileSystem(conf).exists(p);
        } catch (IOException | IllegalArgumentException e) {
            throw Failure.input(path + ": " + Failure.reason(e));
        }
    }

    private void add(String source) throws IOException, Failure {
        Path path = new Path(qualify(source));
        FileSystem fs = path.getFileSystem(conf);
        FileStatus[] found = fs.globStatus(path);
        if (found == null || found.length == 0) {
            throw Failure.input(source + ": no such file or directory");
        }
        Arrays.sort(found);
        for (FileStatus status : found) {
            if (status.isDirectory()) {
                addDirectory(fs, status.getPath());
            } else {
                all.add(status);
            }
        }
    }

    private void addDirectory(FileSystem fs, Path path) throws IOException {
        FileStatus[] inside = fs.listStatus(path, p -> !hidden(p.getName()));
        Arrays.sort(inside);
        for (FileStatus status : inside) {
            if (status.isFile()) {
                all.add(status);
            } else if (deep) {
                addDirectory(fs, status.getPath());
            }
        }
    }

    private static boolean hidden(String name) {
        return name.startsWith("_") || name.startsWith(".");
    }

    long bytes() {
        return all.stream().mapToLong(FileStatus::getLen).sum();
    }

    /** As textFile() takes them. Names with glob characters are escaped. */
    String joined() throws Failure {
        StringBuilder out = new StringBuilder();
        for (FileStatus status : all) {
            if (status.getPath().toString().contains(",")) {
                throw Failure.input(status.getPath()
                        + ": Spark cannot read text from a path with a comma");
            }
            if (status.getLen() > 0) {
                out.append(out.length() == 0 ? "" : ",")
                        .append(status.getPath().toString()
                                .replaceAll("([\\\\*?\\[\\]{}])", "\\\\$1"));
            }
        }
        return out.toString();
    }

    /** The first line that is not blank; empty if there is none. */
    String firstLine() throws Failure {
        for (FileStatus status : all) {
            Path path = status.getPath();
            try (InputStream raw = path.getFileSystem(conf).open(path);
                    BufferedReader in = new BufferedReader(new InputStreamReader(
                            inflate(path, raw), StandardCharsets.UTF_8))) {
                for (String line = in.readLine(); line != null; line = in.readLine()) {
                    if (!line.isBlank()) {
                        return line.startsWith("\ufeff") ? line.substring(1) : line;
                    }
                }
            } catch (IOException e) {
                throw Failure.input(path + ": " + Failure.reason(e));
            }
        }
        return "";
    }

    private InputStream inflate(Path path, InputStream raw) throws IOException {
        CompressionCodec codec = new CompressionCodecFactory(conf).getCodec(path);
        return codec == null ? raw : codec.createInputStream(raw);
    }
}
