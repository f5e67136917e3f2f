// SPDX-License-Identifier: GPL-2.0-or-later
/* Measure how long interrupts are off. */
#include <linux/percpu.h>

#include "bench.h"
#include "hold.h"

/* Per-CPU state; only accessed with interrupts off. */
struct hold_cpu {
	u64 wall;
	u64 cpu;
	unsigned int depth;
	struct hold store[HOLD_STORES];
};

static DEFINE_PER_CPU(struct hold_cpu, hold_cpu);

void hold_begin(void)
{
	struct hold_cpu *h = this_cpu_ptr(&hold_cpu);

	if (h->depth++)
		return;
	h->wall = ktime_get_ns();
	h->cpu = bench_clock();
}

void hold_end(enum hold_store store)
{
	struct hold_cpu *h = this_cpu_ptr(&hold_cpu);
	struct hold *hold = &h->store[store];

	if (--h->depth)
		return;
	hold->cpu = max(hold->cpu, bench_clock() - h->cpu);
	hold->wall = max(hold->wall, ktime_get_ns() - h->wall);
	hold->count++;
}

void hold_reset(enum hold_store store)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(hold_cpu, cpu).store[store] = (struct hold) {};
}

struct hold hold_read(enum hold_store store)
{
	struct hold sum = {}, *hold;
	int cpu;

	for_each_possible_cpu(cpu) {
		hold = &per_cpu(hold_cpu, cpu).store[store];
		sum.wall = max(sum.wall, hold->wall);
		sum.cpu = max(sum.cpu, hold->cpu);
		sum.count += hold->count;
	}

	return sum;
}

/* Empty sections, to measure the overhead. */
void hold_nothing(unsigned long count)
{
	static DEFINE_SPINLOCK(lock);
	unsigned long flags;

	while (count--) {
		spin_lock_irqsave(&lock, flags);
		hold_begin();
		hold_end(HOLD_NONE);
		spin_unlock_irqrestore(&lock, flags);
	}
}
