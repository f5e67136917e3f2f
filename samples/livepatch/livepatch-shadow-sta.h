/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the two livepatches of mac80211: the lock of a station, and the two
 * functions that take it.
 *
 * The fix is the kernel's commit 1d147bfa6429 ("mac80211: fix AP powersave TX vs.
 * wakeup race"): when a station wakes up, its queued frames are sent, and no frame may
 * be queued after that. So a lock for each station is held from the test of the flags
 * to the queueing, and from the sending to the clearing of the flags. Linux 6.1 has
 * this lock, sta->ps_lock. These functions do not use it, as if it were missing.
 *
 * Fits Linux 6.1. The functions are those of net/mac80211/tx.c and
 * net/mac80211/sta_info.c, without their messages, hence GPL-2.0.
 */
#ifndef _LIVEPATCH_SHADOW_STA_H
#define _LIVEPATCH_SHADOW_STA_H

/* Tracepoints of mac80211 are out of reach. */
#define NOTRACE

#include <linux/kprobes.h>
#include <linux/livepatch.h>
#include <linux/lockdep.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <net/mac80211.h>

#include "../../net/mac80211/ieee80211_i.h"
#include "../../net/mac80211/driver-ops.h"
#include "../../net/mac80211/rate.h"
#include "../../net/mac80211/sta_info.h"

/*
 * By default the lockdep key and the name of a lock are static data of the module that
 * initializes it. A lock that the next livepatch takes over outlives that module: its
 * key and name are in shared state, which the next livepatch takes over as well.
 */
struct sta_lock_class {
	struct lock_class_key key;
	char name[16];
};

static int class_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct sta_lock_class *class = shadow_data;

	strscpy(class->name, "sta_lock", sizeof(class->name));
	lockdep_register_key(&class->key);

	return 0;
}

static void class_release(void *obj, void *shadow_data)
{
	struct sta_lock_class *class = shadow_data;

	lockdep_unregister_key(&class->key);
}

static DEFINE_KLP_SHADOW_SHARED(sta_lock_class, 0x1d147bf1, struct sta_lock_class,
				.ctor = class_ctor, .release = class_release);

static int lock_ctor(void *obj, void *shadow_data, void *ctor_data)
{
	struct sta_lock_class *class = klp_shadow_shared(sta_lock_class);
	spinlock_t *lock = shadow_data;

	spin_lock_init(lock);
	lockdep_set_class_and_name(lock, &class->key, class->name);

	return 0;
}

static DEFINE_KLP_SHADOW(sta_lock, 0x1d147bf0, spinlock_t, .parent_module = "mac80211",
			 .ctor = lock_ctor);

/* The lock of a station, or NULL. Defined by each livepatch. */
static spinlock_t *sta_lock_of(struct sta_info *sta);

/* === Functions of mac80211 === */

/*
 * klp-build refers to them by relocations. A livepatch that is written by hand has to
 * look them up, also the exported ones: otherwise mac80211 could not be unloaded.
 */
static struct sta_info *(*p___sta_info_alloc)(struct ieee80211_sub_if_data *sdata,
					      const u8 *addr, int link_id,
					      const u8 *link_addr, gfp_t gfp);
static void (*p_sta_remove_link)(struct sta_info *sta, unsigned int link_id, bool unhash);
static int (*p_sta_info_move_state)(struct sta_info *sta, enum ieee80211_sta_state state);
static void (*p_sta_info_recalc_tim)(struct sta_info *sta);
static void (*p_purge_old_ps_buffers)(struct ieee80211_local *local);
static void (*p_ieee80211_free_txskb)(struct ieee80211_hw *hw, struct sk_buff *skb);
static void (*p_ieee80211_add_pending_skbs)(struct ieee80211_local *local,
					    struct sk_buff_head *skbs);
static void (*p_ieee80211_check_fast_xmit)(struct sta_info *sta);
static void (*p___ieee80211_schedule_txq)(struct ieee80211_hw *hw, struct ieee80211_txq *txq,
					  bool force);

/* The probe is never armed: only its address is used. */
static int look_up(const char *name, void **function)
{
	struct kprobe probe = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	int err;

	err = register_kprobe(&probe);
	if (err) {
		pr_err("no function %s: %d\n", name, err);
		return err;
	}
	*function = probe.addr;
	unregister_kprobe(&probe);

	return 0;
}

#define LOOK_UP(_name)	look_up("mac80211:" #_name, (void **)&p_##_name)

/* Before mac80211 is patched, whenever it is loaded. */
static int look_all_up(struct klp_object *obj)
{
	return LOOK_UP(__sta_info_alloc) ?:
	       LOOK_UP(sta_remove_link) ?:
	       LOOK_UP(sta_info_move_state) ?:
	       LOOK_UP(sta_info_recalc_tim) ?:
	       LOOK_UP(purge_old_ps_buffers) ?:
	       LOOK_UP(ieee80211_free_txskb) ?:
	       LOOK_UP(ieee80211_add_pending_skbs) ?:
	       LOOK_UP(ieee80211_check_fast_xmit) ?:
	       LOOK_UP(__ieee80211_schedule_txq);
}

/* === The functions that take the lock === */

static void lock_if_any(spinlock_t *lock) __acquires(lock)
{
	if (lock)
		spin_lock(lock);
	else
		__acquire(lock);
}

static void unlock_if_any(spinlock_t *lock) __releases(lock)
{
	if (lock)
		spin_unlock(lock);
	else
		__release(lock);
}

static bool dozes(struct sta_info *sta)
{
	return test_sta_flag(sta, WLAN_STA_PS_STA) ||
	       test_sta_flag(sta, WLAN_STA_PS_DRIVER) ||
	       test_sta_flag(sta, WLAN_STA_PS_DELIVER);
}

static ieee80211_tx_result patched_tx_h_unicast_ps_buf(struct ieee80211_tx_data *tx)
{
	struct sta_info *sta = tx->sta;
	struct ieee80211_tx_info *info = IEEE80211_SKB_CB(tx->skb);
	struct ieee80211_hdr *hdr = (struct ieee80211_hdr *)tx->skb->data;
	struct ieee80211_local *local = tx->local;
	spinlock_t *lock;	/* or NULL */
	int ac;

	if (!sta || !dozes(sta) || info->flags & IEEE80211_TX_CTL_NO_PS_BUFFER)
		return TX_CONTINUE;

	ac = skb_get_queue_mapping(tx->skb);
	if (ieee80211_is_mgmt(hdr->frame_control) &&
	    !ieee80211_is_bufferable_mmpdu(hdr->frame_control)) {
		info->flags |= IEEE80211_TX_CTL_NO_PS_BUFFER;
		return TX_CONTINUE;
	}

	if (local->total_ps_buffered >= TOTAL_MAX_TX_BUFFER)
		p_purge_old_ps_buffers(local);

	lock = sta_lock_of(sta);
	lock_if_any(lock);
	/* It has woken up, and the buffered frames are being sent. */
	if (!dozes(sta)) {
		unlock_if_any(lock);
		return TX_CONTINUE;
	}

	if (skb_queue_len(&sta->ps_tx_buf[ac]) >= STA_MAX_TX_BUFFER)
		p_ieee80211_free_txskb(&local->hw, skb_dequeue(&sta->ps_tx_buf[ac]));
	else
		local->total_ps_buffered++;

	info->control.jiffies = jiffies;
	info->control.vif = &tx->sdata->vif;
	info->control.flags |= IEEE80211_TX_INTCFL_NEED_TXPROCESSING;
	info->flags &= ~IEEE80211_TX_TEMPORARY_FLAGS;
	skb_queue_tail(&sta->ps_tx_buf[ac], tx->skb);
	unlock_if_any(lock);

	if (!timer_pending(&local->sta_cleanup))
		mod_timer(&local->sta_cleanup,
			  round_jiffies(jiffies + STA_INFO_CLEANUP_INTERVAL));

	p_sta_info_recalc_tim(sta);

	return TX_QUEUED;
}

static void patched_sta_ps_deliver_wakeup(struct sta_info *sta)
{
	struct ieee80211_sub_if_data *sdata = sta->sdata;
	struct ieee80211_local *local = sdata->local;
	struct sk_buff_head pending;
	int buffered = 0, ac, i;
	unsigned long flags;
	struct ps_data *ps;
	spinlock_t *lock;	/* or NULL */

	if (sdata->vif.type == NL80211_IFTYPE_AP_VLAN)
		sdata = container_of(sdata->bss, struct ieee80211_sub_if_data, u.ap);

	if (sdata->vif.type == NL80211_IFTYPE_AP)
		ps = &sdata->bss->ps;
	else if (ieee80211_vif_is_mesh(&sdata->vif))
		ps = &sdata->u.mesh.ps;
	else
		return;

	clear_sta_flag(sta, WLAN_STA_SP);

	sta->driver_buffered_tids = 0;
	sta->txq_buffered_tids = 0;

	if (!ieee80211_hw_check(&local->hw, AP_LINK_PS))
		drv_sta_notify(local, sdata, STA_NOTIFY_AWAKE, &sta->sta);

	for (i = 0; i < ARRAY_SIZE(sta->sta.txq); i++) {
		if (!sta->sta.txq[i] || !txq_has_queue(sta->sta.txq[i]))
			continue;
		p___ieee80211_schedule_txq(&local->hw, sta->sta.txq[i], false);
		drv_wake_tx_queue(local, to_txq_info(sta->sta.txq[i]));
	}

	skb_queue_head_init(&pending);

	lock = sta_lock_of(sta);
	local_bh_disable();
	lock_if_any(lock);
	for (ac = 0; ac < IEEE80211_NUM_ACS; ac++) {
		int count;

		spin_lock_irqsave(&sta->tx_filtered[ac].lock, flags);
		skb_queue_splice_tail_init(&sta->tx_filtered[ac], &pending);
		spin_unlock_irqrestore(&sta->tx_filtered[ac].lock, flags);
		count = skb_queue_len(&pending);

		spin_lock_irqsave(&sta->ps_tx_buf[ac].lock, flags);
		skb_queue_splice_tail_init(&sta->ps_tx_buf[ac], &pending);
		spin_unlock_irqrestore(&sta->ps_tx_buf[ac].lock, flags);
		buffered += skb_queue_len(&pending) - count;
	}

	p_ieee80211_add_pending_skbs(local, &pending);

	/* From here on it no longer counts as dozing. */
	clear_sta_flag(sta, WLAN_STA_PS_DELIVER);
	/* It may have polled before it woke up. */
	clear_sta_flag(sta, WLAN_STA_PSPOLL);
	clear_sta_flag(sta, WLAN_STA_UAPSD);
	unlock_if_any(lock);
	local_bh_enable();

	atomic_dec(&ps->num_sta_ps);

	local->total_ps_buffered -= buffered;

	p_sta_info_recalc_tim(sta);
	p_ieee80211_check_fast_xmit(sta);
}

/* === The end of a station === */

static void patched_sta_info_free(struct ieee80211_local *local, struct sta_info *sta)
{
	int i, ret;

	klp_shadow_var_free(sta, sta_lock);

	for (i = 0; i < ARRAY_SIZE(sta->link); i++) {
		if (rcu_access_pointer(sta->link[i]))
			p_sta_remove_link(sta, i, false);
	}

	while (sta->sta_state > IEEE80211_STA_NONE) {
		WARN_ON_ONCE(test_sta_flag(sta, WLAN_STA_INSERTED));

		ret = p_sta_info_move_state(sta, sta->sta_state - 1);
		if (WARN_ONCE(ret, "sta_info_move_state() returned %d\n", ret))
			break;
	}

	if (sta->rate_ctrl)
		rate_control_free_sta(sta);

	if (sta->sta.txq[0])
		kfree(to_txq_info(sta->sta.txq[0]));
	kfree(rcu_dereference_raw(sta->sta.rates));
#ifdef CONFIG_MAC80211_MESH
	kfree(sta->mesh);
#endif

	free_percpu(sta->deflink.pcpu_rx_stats);
	kfree(sta);
}

#endif /* _LIVEPATCH_SHADOW_STA_H */
