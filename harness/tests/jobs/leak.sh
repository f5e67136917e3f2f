#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's own sample for kmemleak loses a handful of objects.
modprobe kmemleak-test && rmmod kmemleak-test
