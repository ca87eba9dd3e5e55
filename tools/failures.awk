# Prints of a log of `go test` what failed and where: the tests with their first lines, panics and data races, and, where time ran
# out, what the tests that hung were doing. ./test says this once more at its end, which is what a build machine shows of a long log.

# A goroutine is told of if it is a test's own, which its last lines say.
/^goroutine [0-9]+ \[/ { stack = $0; lines = 0; ours = 0; known = 0; left = 0; next }
stack != "" && /^(FAIL\t.*)?$/ { if (ours) print stack "\n"; stack = "" }
stack != "" {
	if ($0 ~ /^testing\.tRunner\(/) ours = known
	known = known || $0 ~ /_test\.go:/
	if (++lines <= 24) stack = stack "\n" $0
	next
}

/^ *--- FAIL: / { left = 8 }
/^(panic|fatal error): / { left = 12 }
/^WARNING: DATA RACE/ { left = 16 }
/^FAIL\t/ || /^[^ \t]+\.go:[0-9]+:[0-9]+: / { print; next }
/^(=== |ok  \t|\?   \t|FAIL$|PASS$)/ { left = 0 }
$0 == "" && left < 8 { left = 0 }
left > 0 { left--; print }
