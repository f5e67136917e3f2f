#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# Nothing: whether the VM boots and gives a verdict is the question.
