// Runs the code on stdin as a Python job: go run . < code.py
package main

import (
	"fmt"
	"io"
	"net"
	"os"

	"github.com/vmihailenco/msgpack/v5"
)

func main() {
	conn, err := net.Dial("unix", os.Getenv("WARDER_SOCKET"))
	if err != nil {
		panic(err)
	}
	code, _ := io.ReadAll(os.Stdin)
	msgpack.NewEncoder(conn).Encode([]any{0, 1, "run", []any{map[string]any{"language": "python3", "code": code}}})
	var answer []any // 1, msgid, error, result
	if err := msgpack.NewDecoder(conn).Decode(&answer); err != nil || answer[2] != nil {
		panic(fmt.Sprint(err, answer))
	}
	result := answer[3].(map[string]any)
	os.Stdout.Write(result["stdout"].([]byte))
	fmt.Fprintln(os.Stderr, result["outcome"], result["exit_code"])
}
