// SPDX-License-Identifier: GPL-2.0
/*
 * A lock for every future station of mac80211.
 *
 * It is attached before the station is visible to other code, and freed with it. A
 * station that was created before all tasks ran the livepatch has none, and keeps
 * the fault that is described in livepatch-shadow-sta.h.
 *
 * Fits Linux 6.1 with mac80211 as a module and KPROBES, without X86_KERNEL_IBT;
 * GPL-2.0 as livepatch-shadow-sta.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include "livepatch-shadow-sta.h"

static spinlock_t *sta_lock_of(struct sta_info *sta)
{
	return klp_shadow_var_get(sta, sta_lock);
}

static struct sta_info *with_lock(struct sta_info *sta, gfp_t gfp)
{
	if (sta)
		klp_shadow_var_alloc(sta, sta_lock, gfp, NULL);

	return sta;
}

static struct sta_info *patched_sta_info_alloc(struct ieee80211_sub_if_data *sdata,
					       const u8 *addr, gfp_t gfp)
{
	return with_lock(p___sta_info_alloc(sdata, addr, -1, addr, gfp), gfp);
}

static struct sta_info *patched_sta_info_alloc_with_link(struct ieee80211_sub_if_data *sdata,
							 const u8 *mld_addr,
							 unsigned int link_id,
							 const u8 *link_addr, gfp_t gfp)
{
	return with_lock(p___sta_info_alloc(sdata, mld_addr, link_id, link_addr, gfp), gfp);
}

static struct klp_func funcs[] = {
	{ .old_name = "sta_info_alloc", .new_func = patched_sta_info_alloc },
	{ .old_name = "sta_info_alloc_with_link", .new_func = patched_sta_info_alloc_with_link },
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

static int __init sta_lifetime_init(void)
{
	return klp_enable_patch(&patch);
}

static void __exit sta_lifetime_exit(void)
{
}

module_init(sta_lifetime_init);
module_exit(sta_lifetime_exit);
MODULE_DESCRIPTION("Sample livepatch: locks that live as long as their stations");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
