// SPDX-License-Identifier: GPL-2.0-or-later
/* For how long interrupts are kept off: the measuring. */
#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/percpu.h>

#undef HOLD_STORE
#define HOLD_STORE	HOLD_NONE
#include "hold.h"

/* Four classes of lengths for each power of two. */
#define CLASSES		(64 * 4)

/* Used with interrupts off, by the CPU whose it is. */
struct hold {
	u64 start;
	u64 longest[HOLD_STORES];
	unsigned long count[HOLD_STORES];
	unsigned int of_class[HOLD_STORES][CLASSES];
	unsigned int depth;
};

static DEFINE_PER_CPU(struct hold, hold);

static unsigned int class_of(u64 ns)
{
	unsigned int power = ns ? ilog2(ns) : 0;

	return power < 2 ? power * 4 : power * 4 + (ns >> (power - 2)) % 4;
}

static u64 end_of_class(unsigned int class)
{
	return (5 + class % 4) * (1ULL << class / 4) / 4;
}

void hold_begin(void)
{
	struct hold *h = this_cpu_ptr(&hold);

	if (!h->depth++)
		h->start = ktime_get_ns();
}

void hold_end(enum hold_store store)
{
	struct hold *h = this_cpu_ptr(&hold);
	u64 ns;

	if (--h->depth)
		return;
	ns = ktime_get_ns() - h->start;
	h->longest[store] = max(h->longest[store], ns);
	h->count[store]++;
	h->of_class[store][class_of(ns)]++;
}

void hold_reset(enum hold_store store)
{
	int cpu;

	for_each_possible_cpu(cpu) {
		per_cpu(hold, cpu).longest[store] = 0;
		per_cpu(hold, cpu).count[store] = 0;
		memset(per_cpu(hold, cpu).of_class[store], 0, sizeof(hold.of_class[store]));
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

/* So long were all but one in so many. */
u64 hold_all_but(enum hold_store store, unsigned int one_in)
{
	unsigned long count, above = 0;
	int class, cpu;

	hold_longest(store, &count);
	for (class = CLASSES - 1; class; class--) {
		for_each_possible_cpu(cpu)
			above += per_cpu(hold, cpu).of_class[store][class];
		if (above > count / one_in)
			break;
	}

	return end_of_class(class);
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
