// SPDX-License-Identifier: GPL-2.0
/*
 * A lock for every station of mac80211, however old, when it is needed first.
 *
 * That is when a frame for a station is queued because it dozes, or when it has
 * woken up. The fault is described in livepatch-shadow-sta.h. The variables are
 * the same as those of livepatch-shadow-sta-lifetime: if this replaces it, the
 * stations keep the locks that they have.
 *
 *   # modprobe livepatch-shadow-sta-inflight
 *   # grep -r . /sys/module/livepatch_shadow_sta_inflight/parameters
 *
 * Fits Linux 6.1 with mac80211 as a module and KPROBES, without X86_KERNEL_IBT;
 * GPL-2.0 as livepatch-shadow-sta.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "livepatch-shadow-sta.h"

/* Without memory for it, there is no lock, as before the fix. */
static spinlock_t *sta_lock_of(struct sta_info *sta)
{
	if (!READ_ONCE(all_patched))
		return klp_shadow_var_get(sta, sta_lock);

	return klp_shadow_var_get_or_alloc(sta, sta_lock, GFP_ATOMIC, NULL);
}

static struct klp_func funcs[] = {
	{ .old_name = "sta_info_free", .new_func = mended_sta_info_free },
	{ .old_name = "ieee80211_tx_h_unicast_ps_buf", .new_func = mended_tx_h_unicast_ps_buf },
	{ .old_name = "ieee80211_sta_ps_deliver_wakeup",
	  .new_func = mended_sta_ps_deliver_wakeup },
	{ }
};

static struct klp_object objs[] = {
	{
		.name = "mac80211",
		.funcs = funcs,
		.callbacks = {
			.pre_patch = look_all_up,
			.post_patch = note_all_patched,
			.pre_unpatch = note_some_unpatched,
		},
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
	pr_info("created %u, freed %u\n", created, freed);
}

module_init(sta_inflight_init);
module_exit(sta_inflight_exit);
MODULE_DESCRIPTION("Sample livepatch: locks for stations in flight");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
