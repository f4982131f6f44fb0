/*
 * Reading exports from PostgreSQL, page by page.
 *
 * Overview: each page is one statement, which walks the primary key of one month's partition from
 * where the page before ended. So no transaction and no snapshot is held between pages, nothing is
 * sorted, and a page's memory is all that is needed. Usage: a connection with EXPORT_SESSION.
 * Threads: the one that owns the connection.
 */
#ifndef STORE_EXPORTS_H
#define STORE_EXPORTS_H

#include "domain/export.h"
#include "store/pg.h"

#define EXPORT_SESSION SQL_export_session

/**
 * Read the next page of @x; its text replaces the one before, its status says whether there is
 * more. After an error nothing has changed but that the text is gone, and the page may be asked
 * for again.
 */
enum err exports_page(struct pg *pg, struct export *x) MUST_CHECK;

#endif
