/* SPDX-License-Identifier: MIT */
#ifndef VMRT_VERSION_H
#define VMRT_VERSION_H

/* The version of all programs and man pages. */

#define VMRT_VERSION "0.1.0"

#endif
