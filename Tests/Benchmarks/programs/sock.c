// Which connections are made: the fields that socket tracers read.
#include <uapi/linux/ptrace.h>
#include <net/sock.h>
#include <net/inet_sock.h>
#include <bcc/proto.h>

struct connect_event {
	u32 pid, source, destination;
	u16 family, local_port, remote_port;
};

int trace_connect(struct pt_regs *ctx, struct sock *sk)
{
	struct connect_event event = {};

	event.pid = bpf_get_current_pid_tgid() >> 32;
	event.family = sk->__sk_common.skc_family;
	if (event.family != AF_INET)
		return 0;
	event.source = sk->__sk_common.skc_rcv_saddr;
	event.destination = sk->__sk_common.skc_daddr;
	event.local_port = sk->__sk_common.skc_num;
	event.remote_port = ntohs(sk->__sk_common.skc_dport);
	bpf_trace_printk("%d %d\n", event.local_port, event.remote_port);
	return 0;
}
