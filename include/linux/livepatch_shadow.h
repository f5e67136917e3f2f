/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow variables: fields kept beside a structure instead of inside it.
 *
 * Livepatches include <linux/livepatch.h>, which includes this header. The calls are
 * documented where they are defined, here and in kernel/livepatch/shadow*.c; the
 * guarantees G1, G2, ... are in Documentation/livepatch/shadow-vars.rst.
 */
#ifndef _LINUX_LIVEPATCH_SHADOW_H
#define _LINUX_LIVEPATCH_SHADOW_H

#include <linux/compiler.h>
#include <linux/types.h>
#include <asm/barrier.h>

/**
 * typedef klp_shadow_ctor_t - constructor of a shadow variable
 * @obj:	parent, as passed to the call that adds the variable
 * @shadow_data:	data of the variable, zeroed
 * @ctor_data:	passed through by the caller
 *
 * Context: klp_shadow_lock held with interrupts off, in any context of the call; on
 * PREEMPT_RT interrupts stay as they are. Lookups are allowed, the other calls
 * deadlock.
 * Return: 0, or a negative error code: the variable is not added.
 */
typedef int (*klp_shadow_ctor_t)(void *obj, void *shadow_data, void *ctor_data);

/**
 * typedef klp_shadow_dtor_t - destructor of a shadow variable
 * @obj:	parent; it may already be freed
 * @shadow_data:	data of the variable; klp_shadow_get() no longer finds it
 *
 * Context: As for the constructor. Lookups that began earlier may still read the
 * data.
 */
typedef void (*klp_shadow_dtor_t)(void *obj, void *shadow_data);

/**
 * typedef klp_shadow_release_t - release what a shadow variable refers to
 * @obj:	address of the parent, which usually has been freed
 * @shadow_data:	data of the variable, as the destructor left it
 *
 * Context: Process context, may sleep, beside other release callbacks. A grace period
 * after the removal: lookups no longer use the data. All calls are allowed; shared state
 * is not found if the livepatch has been unregistered.
 */
typedef void (*klp_shadow_release_t)(void *obj, void *shadow_data);

/**
 * typedef klp_shadow_convert_t - make the data of a variable from that of a predecessor
 * @obj:	parent
 * @shadow_data:	new data, zeroed; the constructor is not called
 * @old_data:	data of the predecessor; its references belong to the new data now
 * @old_id:	identifier of the predecessor
 *
 * Context: As for the constructor. No patched function uses either data, but lookups
 * by other code of the replaced livepatch may still read the old one: neither change
 * it nor free what it points to.
 * Return: 0, or a negative error code: the old variable is freed with the destructor
 * and the release callback of its type.
 */
typedef int (*klp_shadow_convert_t)(void *obj, void *shadow_data, void *old_data,
				    unsigned long old_id);

void *klp_shadow_get(void *obj, unsigned long id);
void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		       klp_shadow_ctor_t ctor, void *ctor_data);
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			      klp_shadow_ctor_t ctor, void *ctor_data);
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor);
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor);
int klp_shadow_move(void *from, void *to, unsigned long id, gfp_t gfp_flags);

/* === Shadow types === */

struct klp_shadow_patch;

/* Changes with struct klp_shadow_type; a livepatch with another one is refused. */
#define KLP_SHADOW_ABI			2

/* Identifiers that a type can be converted from. */
#define KLP_SHADOW_MAX_PREDECESSORS	8

/**
 * struct klp_shadow_type - the shadow variables that a livepatch uses under one id
 * @abi:	KLP_SHADOW_ABI of the kernel that the livepatch was built for
 * @shared:	one variable without a parent, which livepatches hand on
 * @outlives_parent:	variables are removed after their parent is freed, as intended: the check
 *		for freed parents does not report it
 * @name:	for messages
 * @id:		identifier; all its variables have this layout
 * @size:	size of the data in bytes
 * @parent_module:	module whose objects are the parents; "vmlinux" or NULL if they
 *		are the kernel's own
 * @ctor:	constructor, or NULL
 * @dtor:	destructor, or NULL
 * @release:	called later than the destructor, where sleeping is allowed, or NULL
 * @convert:	makes a variable from one of a predecessor, or NULL
 * @nr_predecessors:	number of @predecessors
 * @predecessors:	ids of earlier layouts that @convert accepts
 *
 * Defined by DEFINE_KLP_SHADOW() and DEFINE_KLP_SHADOW_SHARED() only.
 */
struct klp_shadow_type {
	unsigned int abi;
	bool shared;
	bool outlives_parent;
	/* private: */
	/* Written with klp_shadow_lock held, read without it. */
	bool open;	/* variables are found and can be added */
	bool linked;	/* variables of a predecessor or successor exist beside these */
	struct klp_shadow_patch *patch;	/* constant while the patch is listed */
	/* public: */
	const char *name;
	unsigned long id;
	size_t size;
	const char *parent_module;
	klp_shadow_ctor_t ctor;
	klp_shadow_dtor_t dtor;
	klp_shadow_release_t release;
	klp_shadow_convert_t convert;
	unsigned int nr_predecessors;
	unsigned long predecessors[KLP_SHADOW_MAX_PREDECESSORS];
};

/* The section of a livepatch that has its types, as an array. */
#define KLP_SHADOW_SECTION	"__klp_shadow"

/* Two names, so that a call for the other kind of type does not compile. */
#define __KLP_SHADOW_DATA(_name)	__klp_shadow_data_of_##_name
#define __KLP_SHADOW_STATE(_name)	__klp_shadow_state_of_##_name

#define __DEFINE_KLP_SHADOW(_name, _id, _type, _data, ...)	\
	struct klp_shadow_type _name __used			\
	__section(KLP_SHADOW_SECTION)				\
	__aligned(__alignof__(struct klp_shadow_type)) = {	\
		.abi = KLP_SHADOW_ABI,				\
		.name = #_name,					\
		.id = (_id),					\
		.size = sizeof(_type),				\
		__VA_ARGS__					\
	};							\
	typedef _type _data

/**
 * DEFINE_KLP_SHADOW() - define the type of shadow variables of a livepatch
 * @_name:	name, for the typed calls and for messages
 * @_id:	identifier
 * @_type:	C type of the data
 * @...:	members of struct klp_shadow_type, as in ``.ctor = lock_init``
 *
 * Define it once per livepatch, at file scope; "static" may precede it. Equal
 * definitions, in a header that several files include, are one type. The variables
 * live as long as some livepatch with the type is enabled, see
 * Documentation/livepatch/shadow-upgrading.rst.
 */
#define DEFINE_KLP_SHADOW(_name, _id, _type, ...)		\
	__DEFINE_KLP_SHADOW(_name, _id, _type, __KLP_SHADOW_DATA(_name), ##__VA_ARGS__)

/**
 * DEFINE_KLP_SHADOW_SHARED() - define the type of state that livepatches share
 * @_name:	name, for klp_shadow_shared() and for messages
 * @_id:	identifier
 * @_type:	C type of the data
 * @...:	members of struct klp_shadow_type, as in ``.ctor = state_init``
 *
 * There is one variable, <NULL, @_id>. It is created when the first livepatch with
 * the type is enabled, before any patched code runs, and freed with the last one.
 */
#define DEFINE_KLP_SHADOW_SHARED(_name, _id, _type, ...)	\
	__DEFINE_KLP_SHADOW(_name, _id, _type, __KLP_SHADOW_STATE(_name),	\
			    .shared = true, ##__VA_ARGS__)

/**
 * KLP_SHADOW_CONVERT() - the earlier layouts that a type succeeds
 * @_convert:	a klp_shadow_convert_t
 * @...:	their identifiers, at most KLP_SHADOW_MAX_PREDECESSORS
 *
 * An argument of DEFINE_KLP_SHADOW() or DEFINE_KLP_SHADOW_SHARED().
 */
#define KLP_SHADOW_CONVERT(_convert, ...)			\
	.convert = (_convert),					\
	.nr_predecessors = sizeof((unsigned long []){ __VA_ARGS__ }) /	\
			   sizeof(unsigned long),		\
	.predecessors = { __VA_ARGS__ }

/**
 * DECLARE_KLP_SHADOW() - make a type known in another source file
 * @_name:	name of the type
 * @_type:	C type of the data
 */
#define DECLARE_KLP_SHADOW(_name, _type)			\
	typedef _type __KLP_SHADOW_DATA(_name);			\
	extern struct klp_shadow_type _name

/**
 * DECLARE_KLP_SHADOW_SHARED() - make a type of shared state known in another source file
 * @_name:	name of the type
 * @_type:	C type of the data
 */
#define DECLARE_KLP_SHADOW_SHARED(_name, _type)			\
	typedef _type __KLP_SHADOW_STATE(_name);		\
	extern struct klp_shadow_type _name

void *__klp_shadow_type_alloc(void *obj, struct klp_shadow_type *type, gfp_t gfp_flags,
			      void *ctor_data);
void *__klp_shadow_type_get_or_alloc(void *obj, struct klp_shadow_type *type, gfp_t gfp_flags,
				     void *ctor_data);
void __klp_shadow_type_free(void *obj, struct klp_shadow_type *type);
void __klp_shadow_type_free_all(struct klp_shadow_type *type);
int __klp_shadow_type_move(void *from, void *to, struct klp_shadow_type *type, gfp_t gfp_flags);

/* Does not compile for shared state. */
#define __klp_shadow_type_of(_name)	((void)sizeof(__KLP_SHADOW_DATA(_name)), &(_name))

/*
 * Whether variables of a type are found. Pairs with the release in klp_shadow_update(): none
 * is found that was removed before the type opened. [open+get]
 */
static __always_inline bool __klp_shadow_type_is_open(struct klp_shadow_type *type)
{
	return smp_load_acquire(&type->open);	/* see above */
}

/* The data of a variable, or NULL. */
static __always_inline void *__klp_shadow_type_get(void *obj, struct klp_shadow_type *type)
{
	return __klp_shadow_type_is_open(type) ? klp_shadow_get(obj, type->id) : NULL;
}

/*
 * Not a tail call of @_call: a task that sleeps or is preempted in the store must have
 * the patched function on its stack. Otherwise a transition may complete, and the
 * module be freed, while the store uses its type.
 */
#define __klp_shadow_no_tail_call(_call)			\
({								\
	typeof(_call) __ret = (_call);				\
								\
	barrier();						\
	__ret;							\
})

/**
 * klp_shadow_var_get() - look a variable of a type up
 * @obj:	parent
 * @_name:	name of the type
 *
 * Context: As klp_shadow_get().
 * Return: Pointer to the data. NULL if there is none, if the variable of a predecessor
 * has not been converted yet, or if the type is not open. (G17)
 */
#define klp_shadow_var_get(obj, _name)				\
	((__KLP_SHADOW_DATA(_name) *)				\
	 __klp_shadow_no_tail_call(__klp_shadow_type_get(obj, &(_name))))

/**
 * klp_shadow_var_alloc() - add a variable that does not exist yet
 * @obj:	parent
 * @_name:	name of the type
 * @gfp_flags:	GFP flags for the allocation
 * @ctor_data:	passed to the constructor
 *
 * Context: As klp_shadow_alloc().
 * Return: Pointer to the data. NULL as klp_shadow_alloc(), if the parent has a
 * variable of a predecessor, or if the type is not open. (G17)
 */
#define klp_shadow_var_alloc(obj, _name, gfp_flags, ctor_data)	\
	((__KLP_SHADOW_DATA(_name) *)				\
	 __klp_shadow_no_tail_call(__klp_shadow_type_alloc(obj, &(_name), gfp_flags, ctor_data)))

/**
 * klp_shadow_var_get_or_alloc() - look a variable of a type up, or add it
 * @obj:	parent
 * @_name:	name of the type
 * @gfp_flags:	GFP flags for the allocation
 * @ctor_data:	passed to the constructor
 *
 * Context: As klp_shadow_get_or_alloc().
 * Return: Pointer to the data. NULL as klp_shadow_get_or_alloc(), if the parent has a
 * variable of a predecessor, or if the type is not open. (G17)
 */
#define klp_shadow_var_get_or_alloc(obj, _name, gfp_flags, ctor_data)	\
	((__KLP_SHADOW_DATA(_name) *)					\
	 __klp_shadow_no_tail_call(__klp_shadow_type_get_or_alloc(obj, &(_name), gfp_flags, \
								  ctor_data)))

/**
 * klp_shadow_var_free() - remove a variable of a type
 * @obj:	parent
 * @_name:	name of the type
 *
 * Calls the destructor of the type, and later its release callback. Also removes the
 * parent's variable of a predecessor or successor, with the callbacks of that type. Does
 * nothing if the livepatch is not registered.
 *
 * Context: As klp_shadow_free().
 */
#define klp_shadow_var_free(obj, _name)				\
	do {							\
		__klp_shadow_type_free(obj, __klp_shadow_type_of(_name));	\
		barrier();	/* as __klp_shadow_no_tail_call() */	\
	} while (0)

/**
 * klp_shadow_var_free_all() - remove all variables of a type
 * @_name:	name of the type
 *
 * Calls the destructor of the type for each, and later its release callback. Variables
 * of predecessors stay. Does nothing if the livepatch is not registered.
 *
 * Context: As klp_shadow_free_all().
 */
#define klp_shadow_var_free_all(_name)				\
	do {							\
		__klp_shadow_type_free_all(__klp_shadow_type_of(_name));	\
		barrier();	/* as __klp_shadow_no_tail_call() */	\
	} while (0)

/**
 * klp_shadow_var_move() - move a variable of a type to another parent
 * @from:	parent that has the variable
 * @to:		parent that has none
 * @_name:	name of the type
 * @gfp_flags:	GFP flags for the allocation
 *
 * Also moves the variable of a predecessor or successor. Only for patched functions and
 * callbacks: a livepatch that is not registered would move variables of others.
 *
 * Context: As klp_shadow_move().
 * Return: As klp_shadow_move(); -EEXIST also if @to has one of a predecessor or successor.
 * A variable that could not be moved stays on @from.
 */
#define klp_shadow_var_move(from, to, _name, gfp_flags)		\
	__klp_shadow_no_tail_call(__klp_shadow_type_move(from, to, __klp_shadow_type_of(_name), \
							 gfp_flags))

/**
 * klp_shadow_shared() - the variable of a type of shared state
 * @_name:	name of the type
 *
 * Context: As klp_shadow_get().
 * Return: Pointer to the data. Never NULL in patched functions, callbacks of the livepatch
 * and destructors, if the type has no predecessors. Otherwise NULL until the conversion,
 * and longer if both that and the constructor fail. NULL before klp_enable_patch().
 */
#define klp_shadow_shared(_name)				\
	((__KLP_SHADOW_STATE(_name) *)				\
	 __klp_shadow_no_tail_call(__klp_shadow_type_get(NULL, &(_name))))

#endif /* _LINUX_LIVEPATCH_SHADOW_H */
