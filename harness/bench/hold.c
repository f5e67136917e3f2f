// SPDX-License-Identifier: GPL-2.0-or-later
/* For how long interrupts are kept off: the measuring. */
#include <linux/ktime.h>
#include <linux/percpu.h>

#undef HOLD_STORE
#define HOLD_STORE	HOLD_NONE
#include "hold.h"

/* Used with interrupts off, by the CPU whose it is. */
struct hold {
	u64 start;
	u64 longest[HOLD_STORES];
	unsigned long count[HOLD_STORES];
	unsigned int depth;
};

static DEFINE_PER_CPU(struct hold, hold);

void hold_begin(void)
{
	struct hold *h = this_cpu_ptr(&hold);

	if (!h->depth++)
		h->start = ktime_get_ns();
}

void hold_end(enum hold_store store)
{
	struct hold *h = this_cpu_ptr(&hold);

	if (--h->depth)
		return;
	h->longest[store] = max(h->longest[store], ktime_get_ns() - h->start);
	h->count[store]++;
}

void hold_reset(enum hold_store store)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		per_cpu(hold, cpu).longest[store] = 0;
		per_cpu(hold, cpu).count[store] = 0;
	}
}

u64 hold_longest(enum hold_store store, unsigned long *count)
{
	u64 longest = 0;
	int cpu;

	*count = 0;
	for_each_possible_cpu(cpu) {
		longest = max(longest, per_cpu(hold, cpu).longest[store]);
		*count += per_cpu(hold, cpu).count[store];
	}

	return longest;
}

/* What the measuring itself, and a busy machine, make of an empty section. */
void hold_nothing(unsigned long count)
{
	static DEFINE_SPINLOCK(lock);
	unsigned long flags;

	while (count--) {
		spin_lock_irqsave(&lock, flags);
		spin_unlock_irqrestore(&lock, flags);
	}
}
