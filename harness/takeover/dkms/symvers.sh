#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
# Keep the symbol versions of the module, with which livepatches for this kernel are built.
set -e
install -D -m 644 Module.symvers "/var/lib/klp-shadow/$1/Module.symvers"
