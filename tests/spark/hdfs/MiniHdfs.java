// SPDX-License-Identifier: MIT
//
// MiniHdfs: a real HDFS on loopback, a name node and a data node in this JVM:
// MiniHdfs DIR [FILE...]. Copies the files and directories to /data, prints its
// address, hdfs://127.0.0.1:PORT, and ends with its standard input.
import java.io.File;
import org.apache.hadoop.conf.Configuration;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.hdfs.MiniDFSCluster;

public final class MiniHdfs {
    private MiniHdfs() {
    }

    public static void main(String[] args) throws Exception {
        MiniDFSCluster cluster = new MiniDFSCluster.Builder(new Configuration(),
                new File(args[0])).numDataNodes(1).build();
        try {
            cluster.waitActive();
            FileSystem fs = cluster.getFileSystem();
            Path data = new Path("/data");
            fs.mkdirs(data);
            for (int i = 1; i < args.length; i++) {
                fs.copyFromLocalFile(new Path("file://" + args[i]), data);
            }
            System.out.println("hdfs://127.0.0.1:" + cluster.getNameNodePort());
            System.out.flush();
            while (System.in.read() >= 0) {
                continue;
            }
        } finally {
            cluster.shutdown();
        }
    }
}
