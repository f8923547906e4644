/* Circular doubly linked lists with the links inside the objects. A head points to itself when empty. */
#ifndef SB_MM_LIST_H
#define SB_MM_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct sb_list {
    struct sb_list *next, *prev;
};

#define sb_list_entry(link, type, member) ((type *)(void *)((char *)(link)-offsetof(type, member)))
#define sb_list_for_each(link, head)      for (link = (head)->next; link != (head); link = link->next)

static inline void sb_list_init(struct sb_list *head)
{
    head->next = head->prev = head;
}

static inline bool sb_list_empty(const struct sb_list *head)
{
    return head->next == head;
}

static inline void sb_list_insert(struct sb_list *link, struct sb_list *prev, struct sb_list *next)
{
    link->next = next;
    link->prev = prev;
    prev->next = link;
    next->prev = link;
}

static inline void sb_list_add(struct sb_list *link, struct sb_list *head)
{
    sb_list_insert(link, head, head->next);
}

static inline void sb_list_add_tail(struct sb_list *link, struct sb_list *head)
{
    sb_list_insert(link, head->prev, head);
}

static inline void sb_list_del(struct sb_list *link)
{
    link->prev->next = link->next; // NOLINT(clang-analyzer-unix.Malloc): it loses track of heads in loops
    link->next->prev = link->prev;
    link->next = link->prev = NULL;
}

#endif
