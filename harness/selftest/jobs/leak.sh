#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# The kernel's kmemleak sample leaks some objects.
modprobe kmemleak-test && rmmod kmemleak-test
