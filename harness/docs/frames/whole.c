// SPDX-License-Identifier: GPL-2.0-or-later
/* A whole livepatch of the sample driver. */
EXAMPLE
