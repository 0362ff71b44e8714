/// A small program in the style of tracing tools. It reads what they read, and the sizes and offsets of what it reads are in
/// its code: if its code is the same with a PCH, the types are.
struct SmokeProgram: Sendable {
    let name: String
    /// As they are included.
    let headers: [String]
    let body: String

    var text: String { headers.map { "#include <\($0)>\n" }.joined() + body }

    /// Needs no header of its own: what is included before every program.
    static let empty = SmokeProgram(
        name: "empty", headers: [],
        body: """

            int smoke(void)
            {
            #ifdef CONFIG_64BIT
            	return 64;
            #else
            	return 32;
            #endif
            }

            """)

    static let sched = SmokeProgram(
        name: "sched", headers: ["linux/sched.h"],
        body: """

            struct smoke_key { u32 pid, tgid, parent; u64 flags; char comm[16]; };

            int smoke(struct task_struct *task, struct smoke_key *key)
            {
            	key->pid = task->pid;
            	key->tgid = task->tgid;
            	key->parent = task->real_parent->tgid;
            	key->flags = task->flags;
            	__builtin_memcpy(key->comm, task->comm, sizeof(key->comm));
            	if (list_empty(&task->children))
            		return sizeof(*task);
            	return __builtin_offsetof(struct task_struct, comm);
            }

            """)

    static let sock = SmokeProgram(
        name: "sock", headers: ["net/sock.h", "net/inet_sock.h"],
        body: """

            int smoke(struct sock *sk, u64 *key)
            {
            	key[0] = sk->__sk_common.skc_family;
            	key[1] = sk->__sk_common.skc_num;
            	key[2] = sk->__sk_common.skc_rcv_saddr;
            	key[3] = inet_sk(sk)->inet_sport;
            	key[4] = sizeof(struct inet_sock);
            	return sizeof(*sk);
            }

            """)

    static let tcp = SmokeProgram(
        name: "tcp", headers: ["linux/skbuff.h", "linux/tcp.h"],
        body: """

            int smoke(struct sock *sk, struct sk_buff *skb, u64 *key)
            {
            	key[0] = skb_headlen(skb);
            	key[1] = tcp_sk(sk)->snd_cwnd;
            	key[2] = min_t(u32, skb->len, tcp_sk(sk)->srtt_us);
            	key[3] = ktime_to_ns(skb->tstamp);
            	key[4] = sizeof(struct tcp_sock);
            	return sizeof(*skb);
            }

            """)

    static let block = SmokeProgram(
        name: "block", headers: ["linux/blkdev.h", "linux/blk-mq.h"],
        body: """

            int smoke(struct request *request, struct bio *bio, u64 *key)
            {
            	key[0] = request->__data_len;
            	key[1] = request->__sector;
            	key[2] = request->cmd_flags;
            	key[3] = bio->bi_iter.bi_size;
            	key[4] = sizeof(*bio);
            	return sizeof(*request);
            }

            """)

    static let file = SmokeProgram(
        name: "file", headers: ["linux/fs.h"],
        body: """

            int smoke(struct file *file, u64 *key)
            {
            	struct inode *inode = file->f_inode;

            	key[0] = inode->i_ino;
            	key[1] = S_ISREG(inode->i_mode);
            	key[2] = MINOR(inode->i_sb->s_dev);
            	key[3] = file->f_path.dentry->d_name.len;
            	key[4] = sizeof(struct dentry);
            	return sizeof(*inode);
            }

            """)

    /// Some twenty structures of all kinds of headers.
    static let all = [empty, sched, sock, tcp, block, file]
}
