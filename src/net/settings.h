/*
 * The dated settings of attribution over HTTP: list them, add one, take one away.
 *
 * Overview: all of it is asked of a query actor, since settings are few and rarely looked at. A
 * setting may be dated from FUTURE_LIMIT_MS and a minute on, and be taken away until half a minute
 * before; what is booked never changes by it (store/settings.c). Threads: the worker that serves
 * the request.
 */
#ifndef NET_SETTINGS_H
#define NET_SETTINGS_H

struct request;

void settings_list_windows(struct request *r);
void settings_add_window(struct request *r);
void settings_drop_window(struct request *r);
void settings_list_models(struct request *r);
void settings_add_models(struct request *r);
void settings_drop_models(struct request *r);

#endif
