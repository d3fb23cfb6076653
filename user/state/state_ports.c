// SPDX-License-Identifier: GPL-2.0-only
/* All ports that are taken, as JSON. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/config.h"
#include "kernel/services.h"
#include "kernel/sockets.h"
#include "state/state.h"

static json_t *port_json(__u8 row, const char *ports, __u16 first, const char *owner,
			 const char *reason)
{
	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:s}", "proto", proto_name(NSX_ROW_PROTO(row)),
			 "family", family_name(NSX_ROW_FAMILY(row)), "ports", ports, "port", first,
			 "owner", owner, "reason", reason);
}

/* A published port or range, or the outside port of a live masqueraded endpoint; else NULL. */
static json_t *registry_port_json(struct instance *in, const struct ns_list *list,
				  const struct nsx_slot *s, __u16 port, __u32 now)
{
	const struct ns_item *item = NSX_KIND(s->state) == NSX_MAP
					     ? ns_list_by_id(list, s->id)
					     : ns_list_by_addr(list, &s->inside);
	char ports[16], addr[ADDR_STRLEN], reason[ADDR_STRLEN + 32];

	if (NSX_KIND(s->state) == NSX_MAP && s->first == port) {
		range_text(s->first, s->last, ports);
		snprintf(reason, sizeof(reason), "published, to port %u", ntohs(s->inside_port));
	} else if (NSX_KIND(s->state) == NSX_SHARED && nsx_port_left(s, in->conf, in->learned, now) >= 0) {
		snprintf(ports, sizeof(ports), "%u", port);
		snprintf(reason, sizeof(reason), "masquerades, shared");
		item = NULL;
	} else if (NSX_KIND(s->state) == NSX_FLOW && nsx_port_left(s, in->conf, in->learned, now) >= 0) {
		snprintf(ports, sizeof(ports), "%u", port);
		snprintf(reason, sizeof(reason),
			 nsx_is_v4(&s->inside) ? "masquerades %s:%u" : "masquerades [%s]:%u",
			 format_addr(&s->inside, addr), ntohs(s->inside_port));
	} else {
		return NULL;
	}
	if (NSX_KIND(s->state) == NSX_MAP && (s->flags & NSX_F_SERVICE)) {
		const struct nsx_service *svc = table_service(in, s->service);

		__u32 targets = 0;

		for (__u32 i = 0; svc && i < svc->count; i++)
			targets += svc->target[i].weight != 0;
		if (svc && (svc->flags & NSX_S_BY_ADDRESS) && targets > 1)
			snprintf(reason, sizeof(reason), "published, at %u addresses", targets);
		else if (svc && targets != 1)
			snprintf(reason, sizeof(reason),
				 targets ? "published, to %u targets" : "published, drains",
				 targets);
	}
	return port_json(nsx_slot_row(s), ports, port, item ? item->name : "-", reason);
}

json_t *state_ports(struct instance *in)
{
	const struct nsx_slot *slots = table_ports(in);
	struct socket_item *sockets = NULL;
	json_t *rows = json_array();
	struct ns_list list = {};
	__u32 now = now_tick(in);
	size_t count = 0;

	if (!slots || table_ns_list(in, &list) || sockets_list(&sockets, &count)) {
		ns_list_free(&list);
		json_decref(rows);
		return NULL;
	}
	for (__u32 i = 0; i < NSX_ROWS * NSX_PORTS; i++) {
		json_t *row = NSX_ROW_PROTO(i >> 16) == NSX_ICMP
				      ? NULL
				      : registry_port_json(in, &list, &slots[i], i & 0xffff, now);

		if (row)
			json_array_append_new(rows, row);
	}
	for (size_t i = 0; i < count; i++) {
		char port[16];

		snprintf(port, sizeof(port), "%u", sockets[i].port);
		json_array_append_new(rows, port_json(sockets[i].row, port, sockets[i].port,
						      "host", sockets[i].holder));
	}
	ns_list_free(&list);
	free(sockets);
	return rows;
}
