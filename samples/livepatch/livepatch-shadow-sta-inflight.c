// SPDX-License-Identifier: GPL-2.0
/*
 * A lock for every station of mac80211 of any age, attached at its first use.
 *
 * That is when a frame for a station is queued because the station dozes, or when it
 * has woken up. The fault is described in livepatch-shadow-sta.h. The type is the one
 * of livepatch-shadow-sta-lifetime: if this livepatch replaces it, the stations keep
 * their locks.
 *
 * Fits Linux 6.1 with mac80211 as a module and KPROBES, without X86_KERNEL_IBT;
 * GPL-2.0 as livepatch-shadow-sta.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "livepatch-shadow-sta.h"

/* NULL if there is no memory, or not all tasks run the livepatch: as before the fix. */
static spinlock_t *sta_lock_of(struct sta_info *sta)
{
	return klp_shadow_var_get_or_alloc(sta, sta_lock, GFP_ATOMIC, NULL);
}

static struct klp_func funcs[] = {
	{ .old_name = "sta_info_free", .new_func = patched_sta_info_free },
	{ .old_name = "ieee80211_tx_h_unicast_ps_buf", .new_func = patched_tx_h_unicast_ps_buf },
	{ .old_name = "ieee80211_sta_ps_deliver_wakeup",
	  .new_func = patched_sta_ps_deliver_wakeup },
	{ }
};

static struct klp_object objs[] = {
	{
		.name = "mac80211",
		.funcs = funcs,
		.callbacks = { .pre_patch = look_all_up },
	},
	{ }
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
	.replace = true,
};

static int __init sta_inflight_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit sta_inflight_exit(void)
{
}

module_init(sta_inflight_init);
module_exit(sta_inflight_exit);
MODULE_DESCRIPTION("Sample livepatch: locks for stations of any age");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
