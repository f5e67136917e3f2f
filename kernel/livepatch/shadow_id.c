// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The variables of an id, so that removing them all does not look at others.
 *
 * Each id that has variables has a record, whose id_link is the head of their
 * list. The record is kept in the table itself, as a variable of a parent that
 * nobody else knows. A record whose list is empty is idle and stays for a while:
 * many livepatches add and remove their one variable all the time. The oldest
 * idle record goes when there are too many.
 */
#include <linux/lockdep.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>

#include "shadow_id.h"
#include "shadow_table.h"

#define KLP_SHADOW_MAX_IDLE	16

/* Parents of what is not a variable: records, and positions of walks. */
static char klp_shadow_record_parent, klp_shadow_walk_parent;

/* Values of klp_shadow.wait; no list link has them. */
static char klp_shadow_waits, klp_shadow_dropped, klp_shadow_to_release;

/* Guarded by klp_shadow_lock; the oldest comes first. */
static LIST_HEAD(klp_shadow_idle);
static unsigned int klp_shadow_idle_count;

/* The data of a record: its link among the idle ones. */
static struct list_head *klp_shadow_idle_link(struct klp_shadow *record)
{
	return (struct list_head *)record->data;
}

/**
 * klp_shadow_id_new() - make a record
 * @id:		identifier
 * @gfp_flags:	how to allocate
 *
 * Context: That of @gfp_flags, klp_shadow_lock not held.
 * Return: the record, for klp_shadow_id_add() or kfree(), or NULL.
 */
struct klp_shadow *klp_shadow_id_new(unsigned long id, gfp_t gfp_flags)
{
	struct klp_shadow *record;

	record = kzalloc(sizeof(*record) + sizeof(struct list_head), gfp_flags);
	if (!record)
		return NULL;
	record->obj = &klp_shadow_record_parent;
	record->id = id;
	INIT_LIST_HEAD(&record->id_link);
	INIT_LIST_HEAD(klp_shadow_idle_link(record));

	return record;
}

/**
 * klp_shadow_id_find() - find the record of an id
 * @id:		identifier
 *
 * Context: klp_shadow_lock held; the record stays while it is.
 * Return: the record, or NULL.
 */
struct klp_shadow *klp_shadow_id_find(unsigned long id)
{
	lockdep_assert_held(&klp_shadow_lock);
	return klp_shadow_table_find(&klp_shadow_record_parent, id);
}

/**
 * klp_shadow_id_add() - put a record where it is found
 * @record:	new record of an id that has none
 *
 * Context: klp_shadow_lock held; klp_shadow_id_link() follows.
 */
void klp_shadow_id_add(struct klp_shadow *record)
{
	lockdep_assert_held(&klp_shadow_lock);
	klp_shadow_table_add(record);
}

/**
 * klp_shadow_id_link() - put a variable on the list of its id
 * @record:	record of the id
 * @shadow:	the variable
 *
 * In front, where a walk that has begun does not come any more.
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_id_link(struct klp_shadow *record, struct klp_shadow *shadow)
{
	lockdep_assert_held(&klp_shadow_lock);

	if (!list_empty(klp_shadow_idle_link(record))) {
		list_del_init(klp_shadow_idle_link(record));
		klp_shadow_idle_count--;
	}
	list_add(&shadow->id_link, &record->id_link);
}

/**
 * klp_shadow_id_unlink() - take a variable off the list of its id
 * @shadow:	the variable, or a walk that is over
 * @dead:	gets a record that is to be freed after a grace period, if any
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_id_unlink(struct klp_shadow *shadow, struct list_head *dead)
{
	struct list_head *left = shadow->id_link.next;
	struct list_head *oldest;
	struct klp_shadow *record;

	lockdep_assert_held(&klp_shadow_lock);

	list_del(&shadow->id_link);
	/* The record is always one of the ring, and now perhaps the only one. */
	if (!list_empty(left))
		return;

	record = list_entry(left, struct klp_shadow, id_link);
	list_add_tail(klp_shadow_idle_link(record), &klp_shadow_idle);
	if (klp_shadow_idle_count++ < KLP_SHADOW_MAX_IDLE)
		return;

	oldest = klp_shadow_idle.next;
	record = container_of((void *)oldest, struct klp_shadow, data);
	list_del(oldest);
	klp_shadow_idle_count--;
	klp_shadow_table_del(record);
	list_add(&record->id_link, dead);
}

/**
 * klp_shadow_id_walk_begin() - begin a walk over the variables of an id
 * @walk:	position; on the list until klp_shadow_id_unlink()
 * @id:		identifier
 *
 * Context: klp_shadow_lock held; it may be dropped during the walk.
 * Return: false if there is none, and no walk to end.
 */
bool klp_shadow_id_walk_begin(struct klp_shadow *walk, unsigned long id)
{
	struct klp_shadow *record = klp_shadow_id_find(id);

	if (!record || list_empty(&record->id_link))
		return false;
	walk->obj = &klp_shadow_walk_parent;
	list_add(&walk->id_link, &record->id_link);

	return true;
}

/**
 * klp_shadow_id_walk_next() - the next variable of a walk
 * @walk:	position, which the caller's removing of the variable moves on
 *
 * Variables that were added after the walk began are not met, so that it ends
 * however many are added.
 *
 * Context: klp_shadow_lock held.
 * Return: a variable, or NULL at the end.
 */
struct klp_shadow *klp_shadow_id_walk_next(struct klp_shadow *walk)
{
	struct klp_shadow *shadow;

	lockdep_assert_held(&klp_shadow_lock);

	/* Other walks over the same id may stand in between. */
	list_for_each_entry(shadow, &walk->id_link, id_link) {
		if (shadow->obj == &klp_shadow_record_parent)
			return NULL;
		if (shadow->obj != &klp_shadow_walk_parent)
			return shadow;
	}

	return NULL;
}

/**
 * klp_shadow_id_is_record() - tell a record from a variable
 * @shadow:	either, removed or not
 *
 * Context: Any.
 * Return: true for a record.
 */
bool klp_shadow_id_is_record(const struct klp_shadow *shadow)
{
	return shadow->obj == &klp_shadow_record_parent;
}

/* === Variables that wait for their conversion === */

/**
 * klp_shadow_id_wait() - take a variable off the list of its id to wait
 * @shadow:	the variable
 * @list:	singly linked list of those that wait
 * @dead:	gets a record that is to be freed after a grace period, if any
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_id_wait(struct klp_shadow *shadow, struct klp_shadow **list,
			struct list_head *dead)
{
	lockdep_assert_held(&klp_shadow_lock);

	klp_shadow_id_unlink(shadow, dead);
	shadow->next_waiting = *list;
	shadow->wait = &klp_shadow_waits;
	*list = shadow;
}

/**
 * klp_shadow_id_waits() - whether a variable waits for its conversion
 * @shadow:	variable on the list of its id or of those that wait
 *
 * Context: klp_shadow_lock held.
 * Return: true if it does.
 */
bool klp_shadow_id_waits(const struct klp_shadow *shadow)
{
	lockdep_assert_held(&klp_shadow_lock);
	return shadow->wait == &klp_shadow_waits;
}

/**
 * klp_shadow_id_drop() - have a variable wait no more
 * @shadow:	variable that waits, and has just been removed
 * @release:	whether it is to be released
 *
 * Context: klp_shadow_lock held.
 */
void klp_shadow_id_drop(struct klp_shadow *shadow, bool release)
{
	lockdep_assert_held(&klp_shadow_lock);
	shadow->wait = release ? &klp_shadow_to_release : &klp_shadow_dropped;
}

/**
 * klp_shadow_id_to_release() - whether a variable that waits no more is to be released
 * @shadow:	variable that was dropped
 *
 * Context: Any.
 * Return: what klp_shadow_id_drop() was told.
 */
bool klp_shadow_id_to_release(const struct klp_shadow *shadow)
{
	return shadow->wait == &klp_shadow_to_release;
}
