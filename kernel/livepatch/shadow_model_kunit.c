// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * KUnit test of lifetimes and conversion against a model: random sequences of the calls
 * that the livepatch core, livepatches and modules make, with fixed seeds. After each step
 * every lookup must return what the model predicts. In the end each variable must have
 * been destroyed once and released once. The steps of a sequence that fails are printed,
 * to be added as a case to shadow_type_kunit.c.
 */
#include <kunit/test.h>
#include <linux/errno.h>
#include <linux/livepatch_shadow.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "shadow.h"
#include "shadow_core.h"
#include "shadow_type.h"

#define SEQUENCES	1500
#define STEPS		40
#define PARENTS		4
#define PATCHES		7
#define MAX_TYPES	3
#define SERIALS		1024

/*
 * Ids. V2 is converted from V1, V3 from V1 and V2, and S2 from S1, which are shared state.
 * One livepatch converts back, from V2 to V1.
 * The parents of V1, V2 and V3 are objects of a module, those of W of the kernel.
 */
enum { V1, V2, V3, W, S1, S2, IDS };

#define ID(i)		(0x5d810000UL + (i))

static char objects[PARENTS];

struct data {
	unsigned long serial;
	unsigned long id;
};

static struct {
	unsigned char dtors;
	unsigned char releases;
} ledger[SERIALS];
static unsigned int next_serial;
static unsigned int wrong;

#define FAILS(serial)	((serial) % 5 == 0)

static void destroy(struct data *data, unsigned long id)
{
	wrong += data->id != id || data->serial >= SERIALS;
	ledger[data->serial % SERIALS].dtors++;
}

static void release(void *obj, void *shadow_data)
{
	struct data *data = shadow_data;

	wrong += data->serial >= SERIALS || !ledger[data->serial % SERIALS].dtors;
	ledger[data->serial % SERIALS].releases++;
}

/* One destructor for each id, to detect that a wrong one is called. */
#define DTOR(i)								\
static void dtor_##i(void *obj, void *shadow_data)			\
{									\
	destroy(shadow_data, i);					\
}

DTOR(V1)

DTOR(V2)

DTOR(V3)

DTOR(W)

DTOR(S1)

DTOR(S2)

static int construct_S1(void *obj, void *shadow_data, void *ctor_data)
{
	*(struct data *)shadow_data = (struct data){ next_serial++, S1 };

	return 0;
}

static int construct_S2(void *obj, void *shadow_data, void *ctor_data)
{
	*(struct data *)shadow_data = (struct data){ next_serial++, S2 };

	return 0;
}

static int convert(void *shadow_data, void *old_data, unsigned long old_id, unsigned long id)
{
	struct data *new = shadow_data, *old = old_data;

	wrong += new->serial || new->id || old_id != ID(old->id);
	new->serial = old->serial;
	new->id = id;

	return FAILS(old->serial) ? -ERANGE : 0;
}

#define CONVERT(i)							\
static int convert_##i(void *obj, void *shadow_data, void *old_data,	\
		       unsigned long old_id)				\
{									\
	return convert(shadow_data, old_data, old_id, i);		\
}

CONVERT(V1)

CONVERT(V2)

CONVERT(V3)

CONVERT(S2)

#define TYPE(i, ...)	{ .abi = KLP_SHADOW_ABI, .name = #i, .id = ID(i), .dtor = dtor_##i,	\
			  .release = release, .size = sizeof(struct data) + 8 * (i), ##__VA_ARGS__ }
#define TYPE_V1		TYPE(V1, .parent_module = "own-er")
#define TYPE_V1_BACK	TYPE(V1, .parent_module = "own-er", KLP_SHADOW_CONVERT(convert_V1, ID(V2)))
#define TYPE_V2		TYPE(V2, .parent_module = "own_er", KLP_SHADOW_CONVERT(convert_V2, ID(V1)))
#define TYPE_V3		TYPE(V3, .parent_module = "own_er",					\
			     KLP_SHADOW_CONVERT(convert_V3, ID(V2), ID(V1)))
#define TYPE_W		TYPE(W)
#define TYPE_S1		TYPE(S1, .shared = true, .ctor = construct_S1)
#define TYPE_S2		TYPE(S2, .shared = true, .ctor = construct_S2,				\
			     KLP_SHADOW_CONVERT(convert_S2, ID(S1)))

static struct module mods[PATCHES] = {
	{ .name = "a" }, { .name = "b" }, { .name = "c" }, { .name = "d" }, { .name = "e" },
	{ .name = "f" }, { .name = "g" },
};

static struct module mod_owner = { .name = "own_er" };

/* The livepatch that converts back. */
#define BACK	0

/* The last livepatch has another parent module: it conflicts with V1, V2 and V3 of others. */
static struct klp_shadow_type types[PATCHES][MAX_TYPES] = {
	[BACK] = { TYPE_V1_BACK },
	{ TYPE_V1, TYPE_W, TYPE_S1 },
	{ TYPE_V2, TYPE_S2 },
	{ TYPE_W, TYPE_V3 },
	{ TYPE_V2, TYPE_S1, TYPE_V2 },
	{ TYPE_W, TYPE_S2 },
	{ TYPE(V1, .parent_module = "other") },
};

static const unsigned int nr_types[PATCHES] = { 1, 3, 2, 2, 3, 2, 1 };

/* === The model === */

struct model_patch {
	bool listed, registered, replace, leaving, forced, before, after, completed;
	bool owned[IDS];
	unsigned int order;	/* patches are registered in this order */
	unsigned int hidden[SERIALS], hidden_id[SERIALS], nr_hidden;
};

static struct {
	struct model_patch patch[PATCHES];
	unsigned int serial[IDS][PARENTS];	/* 0: no variable */
	unsigned int dtors[SERIALS];
	unsigned int order;
	int transition;		/* patch that is being enabled or disabled, or -1 */
	bool patching, replace;
} m;

static unsigned int id_of(unsigned int p, unsigned int t)
{
	return types[p][t].id - ID(0);
}

static bool is_shared(unsigned int id)
{
	return id == S1 || id == S2;
}

static bool converts(unsigned int p, unsigned int from, unsigned int to)
{
	return (p == BACK && from == V2 && to == V1) ||
	       (from == V1 && to == V2) || (from == V1 && to == V3) || (from == V2 && to == V3) ||
	       (from == S1 && to == S2);
}

static bool has(unsigned int p, unsigned int id)
{
	unsigned int t;

	for (t = 0; t < nr_types[p]; t++) {
		if (id_of(p, t) == id)
			return true;
	}

	return false;
}

/* Whether @p has types whose parents belong to a module. */
static bool has_parents(unsigned int p)
{
	return has(p, V1) || has(p, V2) || has(p, V3);
}

/* Whether variables of @other are converted to @id when @p has replaced @q. */
static bool succeeds(unsigned int p, unsigned int id, unsigned int q, unsigned int other)
{
	struct model_patch *new = &m.patch[p], *old = &m.patch[q];

	return converts(p, other, id) && new->replace && new->order > old->order &&
	       new->registered && old->registered && !new->forced && !old->forced;
}

/* Whether parents may have variables of @id, of @p, and others of @other, of @q. */
static bool linked(unsigned int p, unsigned int id, unsigned int q, unsigned int other)
{
	return succeeds(p, id, q, other) || succeeds(q, other, p, id);
}

static bool is_linked(unsigned int p, unsigned int id, unsigned int other)
{
	unsigned int q;

	for (q = 0; q < PATCHES; q++) {
		if (has(q, other) && linked(p, id, q, other))
			return true;
	}

	return false;
}

/* Whether a parent has a variable that is to be converted to @id. */
static bool waits(unsigned int p, unsigned int id, unsigned int parent)
{
	unsigned int q, other;

	for (q = 0; q < PATCHES; q++) {
		for (other = 0; other < IDS; other++) {
			if (has(q, other) && succeeds(p, id, q, other) && m.serial[other][parent])
				return true;
		}
	}

	return false;
}

static bool is_open(unsigned int p, unsigned int id)
{
	bool before = false, after = false;
	unsigned int q, other;

	if (!m.patch[p].registered || is_shared(id))
		return m.patch[p].registered;
	for (q = 0; q < PATCHES; q++) {
		for (other = 0; other < IDS; other++) {
			if (!m.patch[q].registered || !has(q, other) ||
			    (other != id && !linked(p, id, q, other)))
				continue;
			before |= m.patch[q].before;
			after |= m.patch[q].after;
		}
	}

	return before && after && (m.patch[p].before || m.patch[p].after);
}

static void gone(unsigned int id, unsigned int parent)
{
	m.dtors[m.serial[id][parent]]++;
	m.serial[id][parent] = 0;
}

static void all_gone(unsigned int id)
{
	unsigned int parent;

	for (parent = 0; parent < PARENTS; parent++) {
		if (m.serial[id][parent])
			gone(id, parent);
	}
}

/* The patch that was registered as the @order-th one, or -1. */
static int patch_in_order(unsigned int order)
{
	unsigned int p;

	for (p = 0; p < PATCHES; p++) {
		if (m.patch[p].listed && m.patch[p].order == order)
			return p;
	}

	return -1;
}

/* After each change of what is open: typed calls may add variables then. */
static void note_open(void)
{
	unsigned int p, id;

	for (p = 0; p < PATCHES; p++) {
		for (id = 0; id < IDS; id++)
			m.patch[p].owned[id] |= has(p, id) && !is_shared(id) && is_open(p, id);
	}
}

/* A hidden variable of @p, which is unregistered: for the next patch with the id. */
static void hand_on(unsigned int p, unsigned int serial, unsigned int id)
{
	struct model_patch *patch;
	unsigned int order;
	int q;

	for (order = 0; order <= m.order; order++) {
		q = patch_in_order(order);
		if (q < 0 || q == p || !m.patch[q].registered || !has(q, id))
			continue;
		patch = &m.patch[q];
		patch->hidden[patch->nr_hidden] = serial;
		patch->hidden_id[patch->nr_hidden++] = id;
		return;
	}
	m.dtors[serial]++;
}

static void finish(unsigned int p)
{
	unsigned int t, id, parent, order, i;
	int q, successor;
	bool owned, other;

	for (t = 0; t < nr_types[p]; t++) {
		id = id_of(p, t);
		owned = m.patch[p].completed || m.patch[p].owned[id];
		other = false;
		successor = -1;
		for (order = 0; order <= m.order; order++) {
			q = patch_in_order(order);
			if (q < 0 || !m.patch[q].registered)
				continue;
			if (owned && !other && q != p && has(q, id)) {
				m.patch[q].owned[id] = true;
				other = true;
			}
			for (i = 0; i < nr_types[q]; i++) {
				if ((m.patch[q].before || m.patch[q].after) &&
				    succeeds(q, id_of(q, i), p, id))
					successor = id_of(q, i);
			}
		}
		if (other || !owned)
			continue;
		for (parent = 0; successor >= 0 && parent < PARENTS; parent++) {
			if (!m.serial[id][parent] || m.serial[successor][parent] ||
			    FAILS(m.serial[id][parent]))
				continue;
			m.serial[successor][parent] = m.serial[id][parent];
			m.serial[id][parent] = 0;
		}
		all_gone(id);
	}
	for (i = 0; i < m.patch[p].nr_hidden; i++)
		hand_on(p, m.patch[p].hidden[i], m.patch[p].hidden_id[i]);
	m.patch[p].nr_hidden = 0;
	m.patch[p].registered = false;
	m.patch[p].leaving = false;
	note_open();
}

static void hide(unsigned int p, unsigned int id)
{
	struct model_patch *patch = &m.patch[p];
	unsigned int parent;

	for (parent = 0; parent < PARENTS; parent++) {
		if (!m.serial[id][parent])
			continue;
		patch->hidden[patch->nr_hidden] = m.serial[id][parent];
		patch->hidden_id[patch->nr_hidden++] = id;
		m.serial[id][parent] = 0;
	}
}

/* === Steps === */

static char log[STEPS + 8][64];
static unsigned int nr_log;

#define say(...)							\
	do {								\
		if (nr_log < ARRAY_SIZE(log))				\
			snprintf(log[nr_log++], sizeof(log[0]), __VA_ARGS__);	\
	} while (0)

static void swap_all(void)
{
	unsigned int p;

	for (p = 0; p < PATCHES; p++)
		swap(m.patch[p].before, m.patch[p].after);
}

static void step_unregister(unsigned int p, bool forced)
{
	struct model_patch *patch = &m.patch[p];

	klp_shadow_unregister_patch(&mods[p], forced);
	if (!patch->registered)
		return;
	patch->leaving = !forced;
	patch->forced = forced;
	patch->before = forced;
	patch->after = forced;
	note_open();
}

/*
 * Called before the store does the same: the model counts the serial numbers that the
 * constructors will assign, then resets next_serial for them.
 */
static void finish_all(void)
{
	unsigned int serial = next_serial, order, t, id;
	int p;

	for (order = 0; order <= m.order; order++) {
		p = patch_in_order(order);
		if (p >= 0 && m.patch[p].leaving)
			finish(p);
	}
	for (order = 0; order <= m.order; order++) {
		p = patch_in_order(order);
		if (p < 0 || !m.patch[p].registered)
			continue;
		for (t = 0; t < nr_types[p]; t++) {
			id = id_of(p, t);
			if (is_shared(id) && !m.serial[id][0] && !waits(p, id, 0))
				m.serial[id][0] = serial++;
		}
	}
}

static void step_flush(void)
{
	finish_all();
	klp_shadow_flush();
	say("flush");
}

static void step_register(unsigned int p, bool replace)
{
	struct model_patch *patch = &m.patch[p];
	bool conflict = false, other = p == 6;
	unsigned int q, t, id;
	int err;

	if (m.transition >= 0 || patch->registered)
		return;
	step_flush();
	for (q = 0; q < PATCHES; q++) {
		if (m.patch[q].listed && has_parents(q) && has_parents(p))
			conflict |= other != (q == 6);
	}
	err = klp_shadow_register(&mods[p], &mods[p], types[p], nr_types[p], replace);
	say("register %u, %s: %d", p, replace ? "replaces" : "stacked", err);
	wrong += err != (conflict ? -EINVAL : 0);
	if (err)
		return;
	patch->listed = true;
	patch->registered = true;
	patch->replace = replace;
	patch->leaving = false;
	patch->forced = false;
	patch->completed = false;
	memset(patch->owned, 0, sizeof(patch->owned));
	patch->before = false;
	patch->after = false;
	patch->order = ++m.order;
	for (t = 0; t < nr_types[p]; t++) {
		struct data *data;

		id = id_of(p, t);
		if (!is_shared(id) || m.serial[id][0] ||
		    (id == S2 && m.serial[S1][0] && is_linked(p, S2, S1)))
			continue;
		data = klp_shadow_get(NULL, ID(id));
		wrong += !data;
		if (!data)
			continue;
		m.serial[id][0] = data->serial;
		patch->owned[id] = true;
	}

	klp_shadow_transition(&mods[p], replace, true);
	m.transition = p;
	m.patching = true;
	m.replace = replace;
	for (q = 0; q < PATCHES; q++) {
		if (q == p)
			patch->after = true;
		else if (replace && !m.patch[q].forced)
			m.patch[q].after = false;
	}
	note_open();
}

static void step_disable(unsigned int p)
{
	struct model_patch *patch = &m.patch[p];

	if (m.transition >= 0 || !patch->registered || patch->leaving || patch->forced)
		return;
	m.replace = patch->replace;
	klp_shadow_transition(&mods[p], m.replace, false);
	say("disable %u", p);
	m.transition = p;
	m.patching = false;
	patch->after = false;
	note_open();
}

static void step_reverse(void)
{
	if (m.transition < 0)
		return;
	m.patching = !m.patching;
	klp_shadow_transition(&mods[m.transition], m.replace, m.patching);
	say("reverse");
	swap_all();
	note_open();
}

static void step_complete(bool cancel, bool forced)
{
	bool was_open[PATCHES][IDS], hides = false;
	unsigned int p, id;
	int order, q;

	if (m.transition < 0)
		return;
	for (p = 0; p < PATCHES; p++) {
		for (id = 0; id < IDS; id++)
			was_open[p][id] = is_open(p, id);
	}
	cancel &= m.patching;
	if (cancel) {
		m.patching = false;
		swap_all();
	}
	for (p = 0; p < PATCHES && !cancel; p++) {
		for (id = 0; id < IDS; id++)
			hides |= m.patch[p].completed && m.patch[p].after && has(p, id) &&
				 !was_open[p][id];
	}
	if (hides)
		finish_all();
	for (order = 0; hides && order <= m.order; order++) {
		q = patch_in_order(order);
		if (q < 0 || !m.patch[q].completed || !m.patch[q].after)
			continue;
		for (id = 0; id < IDS; id++) {
			if (has(q, id) && !was_open[q][id])
				hide(q, id);
		}
	}
	for (p = 0; p < PATCHES; p++)
		m.patch[p].before = m.patch[p].after;
	klp_shadow_complete(m.patching);
	say("%s%s", cancel ? "cancel" : "complete", forced ? ", forced" : "");
	for (p = 0; p < PATCHES; p++)
		m.patch[p].completed |= m.patch[p].after;
	note_open();

	for (p = 0; p < PATCHES; p++) {
		if (!m.patch[p].registered || m.patch[p].forced || m.patch[p].leaving)
			continue;
		if (m.patching ? m.replace && p != m.transition : p == m.transition)
			step_unregister(p, forced);
	}
	m.transition = -1;
}

static void step_module_going(unsigned int p)
{
	struct model_patch *patch = &m.patch[p];

	/* The core holds a reference until the variables have been freed. */
	if (patch->registered)
		return;
	klp_shadow_module_going(&mods[p]);
	say("rmmod %u", p);
	patch->listed = false;
}

static void step_owner_going(void)
{
	struct model_patch *patch;
	unsigned int p, t, i, kept;

	klp_shadow_module_going(&mod_owner);
	say("rmmod of the parents' module");
	for (p = 0; p < PATCHES; p++) {
		patch = &m.patch[p];
		if (!patch->listed)
			continue;
		/* The parents of patch 6 belong to the module "other", which stays. */
		for (t = 0; patch->registered && p != 6 && t < nr_types[p]; t++) {
			if (id_of(p, t) <= V3)
				all_gone(id_of(p, t));
		}
		for (i = 0, kept = 0; i < patch->nr_hidden; i++) {
			if (p != 6 && patch->hidden_id[i] <= V3) {
				m.dtors[patch->hidden[i]]++;
				continue;
			}
			patch->hidden[kept] = patch->hidden[i];
			patch->hidden_id[kept++] = patch->hidden_id[i];
		}
		patch->nr_hidden = kept;
	}
}

static void step_add(unsigned int p, unsigned int t, unsigned int parent, bool get)
{
	unsigned int id = id_of(p, t);
	bool may = is_open(p, id);
	struct data *data;

	if (is_shared(id) || !m.patch[p].listed || next_serial == SERIALS ||
	    (!get && m.serial[id][parent]))
		return;
	may &= !waits(p, id, parent);
	if (is_open(p, id) && m.serial[id][parent])
		may = true;
	if (get)
		data = __klp_shadow_type_get_or_alloc(&objects[parent], &types[p][t], GFP_KERNEL,
						      NULL);
	else
		data = __klp_shadow_type_alloc(&objects[parent], &types[p][t], GFP_KERNEL, NULL);
	say("add %u type %u to %u", p, t, parent);
	wrong += !data == may;
	if (data && !m.serial[id][parent]) {
		data->serial = next_serial++;
		data->id = id;
		m.serial[id][parent] = data->serial;
	}
}

static void step_free(unsigned int p, unsigned int t, unsigned int parent, bool all)
{
	unsigned int id = id_of(p, t), other;

	if (is_shared(id) || !m.patch[p].listed)
		return;
	say("free%s %u type %u of %u", all ? " all" : "", p, t, parent);
	if (all) {
		__klp_shadow_type_free_all(&types[p][t]);
		if (m.patch[p].registered)
			all_gone(id);
		return;
	}
	__klp_shadow_type_free(&objects[parent], &types[p][t]);
	for (other = 0; other < IDS; other++) {
		if (m.serial[other][parent] && (other == id || is_linked(p, id, other)))
			gone(other, parent);
	}
}

static void step_move(unsigned int p, unsigned int t, unsigned int from, unsigned int to)
{
	unsigned int id = id_of(p, t), other;
	bool from_has = false, to_has = false;
	int err, actual;

	if (is_shared(id) || !m.patch[p].listed)
		return;
	actual = __klp_shadow_type_move(&objects[from], &objects[to], &types[p][t], GFP_KERNEL);
	say("move %u type %u from %u to %u: %d", p, t, from, to, actual);
	for (other = 0; other < IDS; other++) {
		if (other == id || is_linked(p, id, other)) {
			from_has |= !!m.serial[other][from];
			to_has |= !!m.serial[other][to];
		}
	}
	err = !from_has ? -ENOENT : to_has ? -EEXIST : 0;
	for (other = 0; !err && other < IDS; other++) {
		if ((other == id || is_linked(p, id, other)) && m.serial[other][from]) {
			m.serial[other][to] = m.serial[other][from];
			m.serial[other][from] = 0;
		}
	}
	wrong += actual != err;
}

static unsigned int serial_of(void *shadow_data)
{
	struct data *data = shadow_data;

	return data ? data->serial : 0;
}

/* Compare all lookups and the calls of destructors with the model. */
static bool as_modelled(void)
{
	unsigned int id, parent, p, t;

	for (id = 0; id < IDS; id++) {
		for (parent = 0; parent < (is_shared(id) ? 1 : PARENTS); parent++) {
			void *obj = is_shared(id) ? NULL : &objects[parent];
			struct data *data = klp_shadow_get(obj, ID(id));

			if (serial_of(data) != m.serial[id][parent] || (data && data->id != id)) {
				say("id %u of %u: serial %u, not %u", id, parent, serial_of(data),
				    m.serial[id][parent]);
				return false;
			}
			for (p = 0; p < PATCHES; p++) {
				for (t = 0; t < nr_types[p]; t++) {
					if (id_of(p, t) != id || !m.patch[p].listed)
						continue;
					data = __klp_shadow_type_get(obj, &types[p][t]);
					if (serial_of(data) ==
					    (is_open(p, id) ? m.serial[id][parent] : 0))
						continue;
					say("%u type %u of %u: serial %u", p, t, parent,
					    serial_of(data));
					return false;
				}
			}
		}
	}
	for (t = 1; t < next_serial; t++) {
		if (ledger[t].dtors != m.dtors[t] || ledger[t].releases > ledger[t].dtors) {
			say("serial %u: destroyed %u times, not %u", t, ledger[t].dtors,
			    m.dtors[t]);
			return false;
		}
	}

	return !wrong;
}

static void step(struct rnd_state *rnd)
{
	unsigned int p = prandom_u32_state(rnd) % PATCHES;
	unsigned int t = prandom_u32_state(rnd) % nr_types[p];
	unsigned int a = prandom_u32_state(rnd) % PARENTS;
	unsigned int b = prandom_u32_state(rnd) % PARENTS;
	bool flag = prandom_u32_state(rnd) % 2, seldom = prandom_u32_state(rnd) % 16 == 0;

	switch (prandom_u32_state(rnd) % 18) {
	case 0 ... 2:
		step_register(p, prandom_u32_state(rnd) % 4);
		break;
	case 3:
		step_disable(p);
		break;
	case 4 ... 5:
		step_complete(false, seldom);
		break;
	case 6:
		if (flag)
			step_reverse();
		else if (seldom)
			step_complete(true, false);
		break;
	case 7:
		step_flush();
		break;
	case 8:
		if (seldom)
			step_owner_going();
		else
			step_module_going(p);
		break;
	case 9 ... 13:
		step_add(p, t, a, flag);
		break;
	case 14 ... 15:
		step_free(p, t, a, seldom);
		break;
	default:
		step_move(p, t, a, b);
		break;
	}
}

/* Disable all livepatches and remove their modules. */
static void end(void)
{
	unsigned int p;

	step_complete(false, false);
	for (p = 0; p < PATCHES; p++) {
		step_disable(p);
		step_complete(false, false);
		/* The store keeps a forced patch until it is unregistered without force. */
		step_unregister(p, false);
	}
	step_flush();
	for (p = 0; p < PATCHES; p++)
		step_module_going(p);
}

static bool sequence(struct rnd_state *rnd)
{
	unsigned int i;
	bool good = true;

	memset(&m, 0, sizeof(m));
	memset(ledger, 0, sizeof(ledger));
	m.transition = -1;
	next_serial = 1;
	nr_log = 0;
	wrong = 0;
	for (i = 0; i < STEPS && good; i++) {
		step(rnd);
		good = as_modelled();
	}
	if (!good)
		say("^ wrong");
	end();
	good &= as_modelled();
	klp_shadow_drain(NULL);
	good &= list_empty(&klp_shadow_patches) && !wrong;
	for (i = 1; i < next_serial; i++)
		good &= ledger[i].dtors == 1 && ledger[i].releases == 1;

	return good;
}

static void model_of_lifetimes(struct kunit *test)
{
	struct rnd_state rnd;
	unsigned int n, i;

	for (i = 0; i < PATCHES; i++)
		atomic_set(&mods[i].refcnt, 2);
	for (n = 0; n < SEQUENCES; n++) {
		prandom_seed_state(&rnd, n);
		if (!sequence(&rnd)) {
			for (i = 0; i < nr_log; i++)
				kunit_info(test, "sequence %u: %s\n", n, log[i]);
			KUNIT_FAIL(test, "the store is not as the model");
			break;
		}
		cond_resched();
	}
	for (i = 0; i < PATCHES; i++)
		KUNIT_EXPECT_EQ(test, module_refcount(&mods[i]), 1);
	for (i = 0; i < IDS; i++)
		klp_shadow_free_all(ID(i), NULL);
}

static struct kunit_case klp_shadow_model_cases[] = {
	KUNIT_CASE(model_of_lifetimes),
	{}
};

static struct kunit_suite klp_shadow_model_suite = {
	.name = "klp_shadow_model",
	.test_cases = klp_shadow_model_cases,
};

kunit_test_suite(klp_shadow_model_suite);
