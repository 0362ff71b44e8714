// What most of the kernel's inline functions and macros need: a program that uses them instead of fields.
#include <uapi/linux/ptrace.h>
#include <linux/sched.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/tcp.h>

struct segment_event {
	u64 sent, state, bits;
	u32 length, window, limit;
};

int trace_segment(struct pt_regs *ctx, struct sock *sk, struct sk_buff *skb)
{
	struct segment_event event = {};
	struct tcp_sock *tcp = (struct tcp_sock *)sk;

	event.length = min_t(u32, skb_headlen(skb), 1 << 14);
	event.sent = ktime_to_ns(skb->tstamp);
	event.window = tcp_wnd_end(tcp);
	event.state = tcp_in_slow_start(tcp);
	event.bits = GENMASK(7, 3) & sk->sk_flags;
	event.limit = max_t(u32, tcp->packets_out - tcp_left_out(tcp), 1);
	bpf_trace_printk("%d %d\n", event.length, event.limit);
	return 0;
}
