// SPDX-License-Identifier: GPL-2.0-or-later
/* Access to the table of a copy of the store. */
#include <shadow_table.h>

#include "bench.h"

void COPY_NAME(chains)(struct bench_chains *chains)
{
	struct klp_shadow_table *table = &klp_shadow_first, *next;
	struct hlist_nulls_node *node;
	struct klp_shadow *entry;
	unsigned long i, length;

	*chains = (struct bench_chains) {};
	rcu_read_lock();
	for (; table; table = next != table ? next : NULL) {
		for (i = 0; i < BIT(table->bits); i++) {
			length = 0;
			hlist_nulls_for_each_entry_rcu(entry, node, &table->chains[i], node)
				chains->compared += ++length;
			chains->entries += length;
			chains->longest = max(chains->longest, length);
		}
		next = rcu_dereference(table->next);
	}
	rcu_read_unlock();
}

void *COPY_NAME(add)(void *parent)
{
	return klp_shadow_alloc(parent, BENCH_ID, BENCH_SIZE, GFP_KERNEL, NULL, NULL);
}
