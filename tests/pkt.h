/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Packets from words, so that a row of a test reads like a line of tcpdump:
 *
 *   tcp 203.0.113.10:4000 > 203.0.113.1:6000 S ttl=64 len=20
 *   udp 192.168.0.2:5000 > 198.51.100.8:53 csum=0
 *   echo 192.168.0.2 > 198.51.100.8 id=7          (echo-reply likewise)
 *   arp 192.168.0.2 > 192.168.0.1                 (from the sender's MAC)
 *   nd 192.168.0.2 > 192.168.0.1 type=135         (ICMPv6 between link-local addresses; proto=N: another next header)
 *   solicit 203.0.113.10 > 192.168.0.2            (who has the latter? with the sender's MAC; 0.0.0.0: from nobody)
 *   advert 192.168.0.2 > 203.0.113.10             (the answer; 0.0.0.0: to all nodes)
 *   frame 192.168.0.2 > 192.168.0.1 proto=0x88cc  (no protocol that is known)
 *   error 203.0.113.9 > 203.0.113.1 type=3 code=4 mtu=1280 [ udp 203.0.113.1:5000 > ... ] cut=8
 *
 * Every checksum is computed afresh over the whole packet, never incrementally: what the datapath
 * makes is compared with what a sender would have made.
 *
 * Further words: S SA A PA F FA R RA (TCP flags), seq=N, ack=N (their lowest bytes), mss=N (TCP
 * option, behind nops=N no-operations), opts=N (bytes of IP options), df, mf, off=N (fragments, in
 * units of 8), tot=N (a lying total length), ihl=N, doff=N, trim=N (cut the frame to N bytes),
 * vlan=N, transit=N (as it is sent to be cut to N bytes), tos (as the host's own ICMP errors:
 * precedence 6, identification 0), proto=N (with "ip"), badsum (break the L4 checksum), badip (that
 * of IP), eth=A>B (names of pkt_mac()).
 */
#ifndef NSXDP_TEST_PKT_H
#define NSXDP_TEST_PKT_H

#include <stddef.h>
#include <stdint.h>

#define PKT_MAX 9216

/*
 * 4, or 6: the same words become packets of IPv6. Addresses are mapped (pkt_map6), and ICMP errors are
 * those of ICMPv6 that mean the same. ext=hdr: with extension headers (hop-by-hop, destination,
 * routing; 0: routing of type 0, a: authentication, f: an atomic fragment).
 */
extern int pkt_family;

/*
 * 192.168.0.0/16 to the pool fd00:6e73:7864::/48, the first of each /30 to its ::1; 203.0.113.0/24 to
 * 2001:db8:1::/64; what is special to what is special in the same way; all else to 2001:db8:2::/64.
 * pkt_map_text(): all addresses of a command, with lengths of networks, and brackets before a port.
 */
void pkt_map6(const uint8_t v4[4], uint8_t v6[16]);
void pkt_map_text(const char *text, char *out, size_t size);

/* Build the frame; returns its length, or exits with a message where the words make no sense. */
size_t pkt_build(const char *words, uint8_t *frame);

/* Print both frames in hex with a mark where they differ. */
void pkt_diff(const uint8_t *got, size_t got_len, const uint8_t *want, size_t want_len);

/* Another IP identification, with the header's checksum. */
void pkt_set_id(uint8_t *frame, const uint8_t id[2]);
void pkt_set_source(uint8_t *frame, const uint8_t addr[4]);

/*
 * MAC by name: client, uplink, host (every host-side veth), or a dotted IPv4 address for its
 * namespace's.
 */
void pkt_mac(const char *name, uint8_t mac[6]);

#endif
