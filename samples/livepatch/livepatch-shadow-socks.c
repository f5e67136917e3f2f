// SPDX-License-Identifier: GPL-2.0
/*
 * A new field of TCP sockets, on a hot path: the number of bytes sent.
 *
 * An IPv4 socket of any age gets its variable with the first segment that it sends
 * when all tasks run the livepatch. The number is a line in its fdinfo:
 *
 *   # modprobe livepatch-shadow-socks
 *   # exec {web}<>/dev/tcp/127.0.0.1/80
 *   # grep sent /proc/$$/fdinfo/$web
 *   sent:	0
 *
 * Retransmissions count, as for TCP_INFO, whose tcpi_bytes_sent it equals for a
 * socket that is younger than the livepatch.
 *
 * Fits Linux 6.1. The patched functions are the kernel's own, of
 * net/ipv4/tcp_ipv4.c, net/ipv4/af_inet.c and net/socket.c, hence GPL-2.0.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/livepatch.h>
#include <linux/module.h>
#include <linux/net.h>
#include <linux/seq_file.h>
#include <linux/skbuff.h>
#include <linux/tcp.h>
#include <net/dst.h>
#include <net/inet_sock.h>
#include <net/sock.h>
#include <net/tcp.h>

/* Writers hold the lock of the socket. */
static DEFINE_KLP_SHADOW(sock_sent, 0x50cc0001, u64);

/* Called for each segment, which has its TCP header. */
static void patched_tcp_v4_send_check(struct sock *sk, struct sk_buff *skb)
{
	const struct inet_sock *inet = inet_sk(sk);
	struct tcphdr *th = tcp_hdr(skb);
	u64 *sent;

	th->check = ~tcp_v4_check(skb->len, inet->inet_saddr, inet->inet_daddr, 0);
	skb->csum_start = skb_transport_header(skb) - skb->head;
	skb->csum_offset = offsetof(struct tcphdr, check);

	/* Not counted if there is no memory, or not all tasks run the livepatch. */
	sent = klp_shadow_var_get_or_alloc(sk, sock_sent, GFP_ATOMIC, NULL);
	if (sent)
		WRITE_ONCE(*sent, *sent + skb->len - tcp_hdrlen(skb));
}

/* The destructor of every IPv4 socket. */
static void patched_inet_sock_destruct(struct sock *sk)
{
	struct inet_sock *inet = inet_sk(sk);

	klp_shadow_var_free(sk, sock_sent);

	__skb_queue_purge(&sk->sk_receive_queue);
	__skb_queue_purge(&sk->sk_error_queue);

	sk_mem_reclaim_final(sk);

	if (sk->sk_type == SOCK_STREAM && sk->sk_state != TCP_CLOSE) {
		pr_err("Attempt to release TCP socket in state %d %p\n",
		       sk->sk_state, sk);
		return;
	}
	if (!sock_flag(sk, SOCK_DEAD)) {
		pr_err("Attempt to release alive inet socket %p\n", sk);
		return;
	}

	WARN_ON_ONCE(atomic_read(&sk->sk_rmem_alloc));
	WARN_ON_ONCE(refcount_read(&sk->sk_wmem_alloc));
	WARN_ON_ONCE(sk->sk_wmem_queued);
	WARN_ON_ONCE(sk_forward_alloc_get(sk));

	kfree_rcu(rcu_dereference_protected(inet->inet_opt, 1), rcu);
	dst_release(rcu_dereference_protected(sk->sk_dst_cache, 1));
	dst_release(rcu_dereference_protected(sk->sk_rx_dst, 1));
	sk_refcnt_debug_dec(sk);
}

static void patched_sock_show_fdinfo(struct seq_file *m, struct file *f)
{
	struct socket *sock = f->private_data;
	u64 *sent;

	if (sock->ops->show_fdinfo)
		sock->ops->show_fdinfo(m, sock);

	/* The file keeps the socket, but the livepatch may be disabled. */
	rcu_read_lock();
	sent = klp_shadow_var_get(sock->sk, sock_sent);
	if (sent)
		seq_printf(m, "sent:\t%llu\n", READ_ONCE(*sent));
	rcu_read_unlock();
}

static struct klp_func funcs[] = {
	{ .old_name = "tcp_v4_send_check", .new_func = patched_tcp_v4_send_check },
	{ .old_name = "inet_sock_destruct", .new_func = patched_inet_sock_destruct },
	{ .old_name = "sock_show_fdinfo", .new_func = patched_sock_show_fdinfo },
	{ }
};

static struct klp_object objs[] = {
	{ .funcs = funcs },
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = true,
};

static int __init socks_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit socks_exit(void)
{
}

module_init(socks_init);
module_exit(socks_exit);
MODULE_DESCRIPTION("Sample livepatch: a new field of TCP sockets");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
