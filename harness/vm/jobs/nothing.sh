#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# An empty job, to test that the VM boots and gives a verdict.
