/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Shadow variables: fields kept beside a structure instead of inside it.
 *
 * Livepatches include <linux/livepatch.h>, which brings this header in. The
 * calls are described where they are defined, here and in kernel/livepatch/shadow*.c,
 * the promises G1 ... G16 in Documentation/livepatch/shadow-vars.rst.
 */
#ifndef _LINUX_LIVEPATCH_SHADOW_H
#define _LINUX_LIVEPATCH_SHADOW_H

#include <linux/compiler.h>
#include <linux/rcupdate.h>
#include <linux/types.h>
#include <asm/barrier.h>

/**
 * typedef klp_shadow_ctor_t - constructor of a shadow variable
 * @obj:	the parent, as it was passed to the call that creates the variable
 * @shadow_data:	the variable's data, zeroed
 * @ctor_data:	what the caller of that call wants to hand over
 *
 * Context: klp_shadow_lock held and interrupts off, whatever the context of
 * the call; on PREEMPT_RT the lock is held and interrupts stay as they are.
 * klp_shadow_get() is allowed, the other calls deadlock.
 * Return: 0, or a negative error code, on which the variable is given up.
 */
typedef int (*klp_shadow_ctor_t)(void *obj, void *shadow_data, void *ctor_data);

/**
 * typedef klp_shadow_dtor_t - destructor of a shadow variable
 * @obj:	the parent; it may already be gone
 * @shadow_data:	the variable's data; klp_shadow_get() no longer finds it
 *
 * Context: as for the constructor. Lookups that began earlier may still be
 * reading the data.
 */
typedef void (*klp_shadow_dtor_t)(void *obj, void *shadow_data);

/**
 * typedef klp_shadow_release_t - release what a shadow variable refers to
 * @obj:	the parent's address; the parent is gone, in general
 * @shadow_data:	the variable's data, as the destructor has left it
 *
 * Context: Process context, may sleep. A grace period after the removal: no
 * lookup can still have the data. May make all calls, but must not add a variable
 * that its livepatch declares, as nobody may be left to free it.
 */
typedef void (*klp_shadow_release_t)(void *obj, void *shadow_data);

/**
 * typedef klp_shadow_convert_t - make the new data of a variable from the old
 * @obj:	the parent
 * @shadow_data:	the new data, zeroed
 * @old_data:	the old data; what it refers to now belongs to the new
 * @old_size:	bytes of the old data
 *
 * Context: As for the constructor. No patched function uses either data. Lookups that
 * other code of the replaced livepatch began earlier may still be reading the old: leave
 * it as it is, and do not free what it points to.
 * Return: 0, or a negative error code, on which the variable is freed with the
 * destructor and the releasing function of the old declaration.
 */
typedef int (*klp_shadow_convert_t)(void *obj, void *shadow_data, void *old_data,
				    size_t old_size);

void *klp_shadow_get(void *obj, unsigned long id);
void *klp_shadow_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
		       klp_shadow_ctor_t ctor, void *ctor_data);
void *klp_shadow_get_or_alloc(void *obj, unsigned long id, size_t size, gfp_t gfp_flags,
			      klp_shadow_ctor_t ctor, void *ctor_data);
void klp_shadow_free(void *obj, unsigned long id, klp_shadow_dtor_t dtor);
void klp_shadow_free_all(unsigned long id, klp_shadow_dtor_t dtor);
int klp_shadow_move(void *from, void *to, unsigned long id, gfp_t gfp_flags);

/* === Declared variables === */

/**
 * struct klp_shadow_type - what a livepatch declares of its shadow variables
 * @name:	what messages call them
 * @id:		identifier
 * @size:	bytes of data of each
 * @shared:	there is one instance, which livepatches hand on
 * @owner:	module whose objects are the parents, with the name that it has in
 *		/proc/modules; NULL when the kernel's own objects are
 * @ctor:	constructor, or NULL
 * @dtor:	destructor, or NULL
 * @release:	called after the destructor where sleeping is allowed, or NULL
 * @convert:	makes these variables from those of a replaced livepatch that
 *		declares another size, or NULL
 *
 * Made by DEFINE_KLP_SHADOW() and DEFINE_KLP_SHADOW_SHARED() alone.
 */
struct klp_shadow_type {
	const char *name;
	unsigned long id;
	size_t size;
	bool shared;
	const char *owner;
	klp_shadow_ctor_t ctor;
	klp_shadow_dtor_t dtor;
	klp_shadow_release_t release;
	klp_shadow_convert_t convert;
	/* private: */
	/*
	 * The declaration whose variables wait for @convert, or that has taken the
	 * variables @away, or NULL. Written with klp_shadow_lock held; read by
	 * accessors without it.
	 */
	struct klp_shadow_type *from;
	/* Those that do not wait any more have been converted; under klp_shadow_lock. */
	bool converting;
	/*
	 * From this declaration, whose livepatch is over. Written with klp_shadow_lock
	 * and klp_shadow_users_lock held.
	 */
	bool away;
	/* The shared instance is by this declaration; guarded by klp_shadow_users_lock. */
	bool built;
};

/* The section of a livepatch module that holds its declarations, as an array. */
#define KLP_SHADOW_SECTION	"__klp_shadow"

#define __KLP_SHADOW_TYPE(_name)	klp_shadow_type_of_##_name##_t

/**
 * DECLARE_KLP_SHADOW() - make a declaration known in another source file
 * @_name:	name of the declaration, shared or not
 * @_type:	C type of the data
 */
#define DECLARE_KLP_SHADOW(_name, _type)			\
	typedef _type __KLP_SHADOW_TYPE(_name);			\
	extern struct klp_shadow_type _name

/**
 * DEFINE_KLP_SHADOW() - declare shadow variables of a livepatch
 * @_name:	name, for the accessors and for messages
 * @_id:	identifier
 * @_type:	C type of the data
 * @...:	members of struct klp_shadow_type, as in ``.ctor = lock_init``
 *
 * Once in the livepatch, in any of its source files, where a variable could be
 * defined; "static" may precede it. The variables live as long as some livepatch
 * that declares them is enabled, see Documentation/livepatch/shadow-lifetimes.rst.
 */
#define DEFINE_KLP_SHADOW(_name, _id, _type, ...)		\
	struct klp_shadow_type _name __used			\
	__section(KLP_SHADOW_SECTION)				\
	__aligned(__alignof__(struct klp_shadow_type)) = {	\
		.name = #_name,					\
		.id = (_id),					\
		.size = sizeof(_type),				\
		__VA_ARGS__					\
	};							\
	typedef _type __KLP_SHADOW_TYPE(_name)

/**
 * DEFINE_KLP_SHADOW_SHARED() - declare state that livepatches share
 * @_name:	name, for klp_shadow_shared() and for messages
 * @_id:	identifier
 * @_type:	C type of the data
 * @...:	members of struct klp_shadow_type, as in ``.ctor = state_init``
 *
 * One instance, which is built when the first livepatch that declares it is being
 * enabled, before any patched code runs, and goes with the last one. It is the
 * variable <NULL, @_id>.
 */
#define DEFINE_KLP_SHADOW_SHARED(_name, _id, _type, ...)	\
	DEFINE_KLP_SHADOW(_name, _id, _type, .shared = true, ##__VA_ARGS__)

/*
 * False while variables of another size are there, which only the replaced
 * livepatch can use, and when what is there is no more this livepatch's.
 */
static __always_inline bool klp_shadow_type_ready(struct klp_shadow_type *type)
{
	/* Pairs with the release when they have all been converted. */
	return !smp_load_acquire(&type->from);
}

/*
 * The accessors are a part of their caller, and end in a barrier. Otherwise a patched
 * function that ends in one could jump there and leave nothing on the stack: its task,
 * asleep or preempted in the store, would count as patched or unpatched, and come back
 * when the livepatch that the declaration is in has gone.
 */

static __always_inline void *klp_shadow_type_get(void *obj, struct klp_shadow_type *type)
{
	void *data = NULL;

	/* Variables become another's only after a grace period. See klp_shadow_take_away(). */
	rcu_read_lock();
	if (klp_shadow_type_ready(type))
		data = klp_shadow_get(obj, type->id);
	rcu_read_unlock();
	barrier();

	return data;
}

static __always_inline void *klp_shadow_type_alloc(void *obj, struct klp_shadow_type *type,
						   gfp_t gfp_flags, void *ctor_data)
{
	void *data = NULL;

	if (klp_shadow_type_ready(type))
		data = klp_shadow_alloc(obj, type->id, type->size, gfp_flags, type->ctor,
					ctor_data);
	barrier();

	return data;
}

static __always_inline void *klp_shadow_type_get_or_alloc(void *obj,
							  struct klp_shadow_type *type,
							  gfp_t gfp_flags, void *ctor_data)
{
	void *data = NULL;

	if (klp_shadow_type_ready(type))
		data = klp_shadow_get_or_alloc(obj, type->id, type->size, gfp_flags,
					       type->ctor, ctor_data);
	barrier();

	return data;
}

void klp_shadow_type_free(void *obj, struct klp_shadow_type *type);

/**
 * klp_shadow_var_get() - find a declared variable
 * @obj:	parent
 * @_name:	name of the declaration
 *
 * Context: As klp_shadow_get().
 * Return: pointer to the declared type. NULL when there is none, and while
 * variables of a replaced livepatch wait for their conversion.
 */
#define klp_shadow_var_get(obj, _name)				\
	((__KLP_SHADOW_TYPE(_name) *)klp_shadow_type_get(obj, &(_name)))

/**
 * klp_shadow_var_alloc() - add a declared variable that must not exist yet
 * @obj:	parent
 * @_name:	name of the declaration
 * @gfp_flags:	how to allocate
 * @ctor_data:	handed to the declared constructor
 *
 * Context: As klp_shadow_alloc().
 * Return: pointer to the declared type, or NULL as klp_shadow_alloc(), and while
 * variables of a replaced livepatch wait for their conversion.
 */
#define klp_shadow_var_alloc(obj, _name, gfp_flags, ctor_data)	\
	((__KLP_SHADOW_TYPE(_name) *)				\
	 klp_shadow_type_alloc(obj, &(_name), gfp_flags, ctor_data))

/**
 * klp_shadow_var_get_or_alloc() - find a declared variable, or add it
 * @obj:	parent
 * @_name:	name of the declaration
 * @gfp_flags:	how to allocate
 * @ctor_data:	handed to the declared constructor
 *
 * Context: As klp_shadow_get_or_alloc().
 * Return: pointer to the declared type, or NULL as klp_shadow_get_or_alloc(), and
 * while variables of a replaced livepatch wait for their conversion.
 */
#define klp_shadow_var_get_or_alloc(obj, _name, gfp_flags, ctor_data)	\
	((__KLP_SHADOW_TYPE(_name) *)					\
	 klp_shadow_type_get_or_alloc(obj, &(_name), gfp_flags, ctor_data))

/**
 * klp_shadow_var_free() - remove a declared variable
 * @obj:	parent
 * @_name:	name of the declaration
 *
 * With the declared destructor, and later the releasing function; those of the
 * replaced livepatch for a variable that has not been converted.
 *
 * Context: As klp_shadow_free().
 */
#define klp_shadow_var_free(obj, _name)				\
	do {							\
		klp_shadow_type_free(obj, &(_name));		\
		barrier();					\
	} while (0)

/**
 * klp_shadow_var_move() - move a declared variable to another parent
 * @from:	parent that has it
 * @to:		parent that has none
 * @_name:	name of the declaration
 * @gfp_flags:	how to allocate
 *
 * Context: As klp_shadow_move().
 * Return: As klp_shadow_move().
 */
#define klp_shadow_var_move(from, to, _name, gfp_flags)		\
({								\
	int __err = klp_shadow_move(from, to, (_name).id, gfp_flags);	\
									\
	barrier();						\
	__err;							\
})

/**
 * klp_shadow_shared() - the instance of declared shared state
 * @_name:	name of the declaration
 *
 * Context: As klp_shadow_get().
 * Return: pointer to the declared type. Never NULL in the patched functions of an
 * enabled livepatch whose declaration has no conversion. With one, NULL until
 * the conversion is done, and for good if both that and building it anew fail.
 */
#define klp_shadow_shared(_name)	klp_shadow_var_get(NULL, _name)

#endif /* _LINUX_LIVEPATCH_SHADOW_H */
