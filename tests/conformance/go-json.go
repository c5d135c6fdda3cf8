// What Go's encoding/json reads in bodies, for go-json.jsonl:
//
//	go run tests/conformance/go-json.go >tests/conformance/go-json.jsonl
//
// Go 1.21.13, 1.26.4 and 1.27.3 read the same, with GOEXPERIMENT=jsonv2 too. Each line is a body (in hex where
// it is not UTF-8) and what is in Body after it was read, or null if Go refuses it. The types are
// of the shapes that the engine's have; tests/support/gojson.rs has them once more.
package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"reflect"
	"strings"
	"unicode/utf8"
)

type Body struct {
	Image            string
	User             string
	Tty              bool
	Cmd              Words
	Env              []string
	Labels           map[string]string
	ExposedPorts     map[string]struct{}
	StopTimeout      *int
	HostConfig       *HostConfig
	NetworkingConfig struct {
		EndpointsConfig map[string]*Endpoint
	}
	Options    any
	Raw        Raw
	LowerCased string `json:"lowercased"`
}

type Resources struct {
	Memory    int64
	NanoCpus  int64
	PidsLimit *int64
	Ulimits   []*Ulimit
}

type HostConfig struct {
	Resources
	Binds        []string
	Privileged   bool
	NetworkMode  string
	Mounts       []Mount
	PortBindings map[string][]PortBinding
	MaskedPaths  []string
	Init         *bool
	Sysctls      map[string]string
	OomScoreAdj  int32
	ShmSize      uint64
	ConsoleSize  [2]uint16
	Ratio        float32
	Skills       map[string]int64
	Switches     []bool
	Lists        [][]string
}

type Ulimit struct {
	Name string
	Hard int64
}

type Mount struct {
	Type, Source, Target string
	ReadOnly             bool
	BindOptions          *struct{ Propagation string }
}

type PortBinding struct{ HostIp, HostPort string }

type Endpoint struct {
	Aliases    []string
	DriverOpts map[string]string
}

// Words is the engine's strslice.StrSlice up to 28.
type Words []string

func (words *Words) UnmarshalJSON(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	list := make([]string, 0, 1)
	if err := json.Unmarshal(text, &list); err != nil {
		var one string
		if err := json.Unmarshal(text, &one); err != nil {
			return err
		}
		list = append(list, one)
	}
	*words = list
	return nil
}

// Raw is a json.RawMessage that is written as a string.
type Raw json.RawMessage

func (raw *Raw) UnmarshalJSON(text []byte) error {
	*raw = append((*raw)[0:0], text...)
	return nil
}

func (raw Raw) MarshalJSON() ([]byte, error) {
	if raw == nil {
		return []byte("null"), nil
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil {
		return nil, err
	}
	return json.Marshal(compact.String())
}

func main() {
	bodies := append([]string{}, handMade...)
	for depth := 62; depth <= 66; depth++ {
		bodies = append(bodies,
			`{"Options":`+strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}`,
			`{"Unknown":`+strings.Repeat(`{"a":`, depth)+"1"+strings.Repeat("}", depth)+`}`)
	}
	random := rand.New(rand.NewSource(11))
	for i := 0; i < 360; i++ {
		generator := generator{random, 0, []int{0, 2, 8}[i%3]}
		bodies = append(bodies, generator.value(reflect.TypeOf(Body{}), ""))
	}
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	for _, body := range bodies {
		row := struct {
			Body string `json:"body,omitempty"`
			Hex  string `json:"hex,omitempty"`
			Go   *Body  `json:"go"`
		}{Body: body}
		if !utf8.ValidString(body) {
			row.Body, row.Hex = "", hex.EncodeToString([]byte(body))
		}
		var read Body
		if json.Unmarshal([]byte(body), &read) == nil {
			row.Go = &read
		}
		if err := out.Encode(row); err != nil {
			panic(err)
		}
	}
}

// generator writes values of a type, the more oddly the higher it is.
type generator struct {
	*rand.Rand
	depth int
	oddly int // of 100
}

func (g *generator) odd() bool { return g.Intn(100) < g.oddly }

func (g *generator) value(t reflect.Type, name string) string {
	g.depth++
	defer func() { g.depth-- }()
	if name != "" && g.Intn(20) == 0 {
		return "null"
	}
	if name != "" && g.odd() {
		return g.pick("null", "5", "-1", "1.0", "1e3", `"5"`, "true", "[]", "{}", `[null]`, `{"a":null}`, `""`, "9223372036854775808", "-0", "0.1e-7", "300", "70000")
	}
	switch t {
	case reflect.TypeOf(Words{}):
		return g.pick(`"sh"`, `["sh","-c"]`, `[]`, `["sh",null]`, `""`)
	case reflect.TypeOf(Raw{}):
		return g.pick(`{"a": 1, "A":[1.50 ]}`, `"x\u0041"`, "12345678901234567890", "-0", "[ ]")
	}
	switch t.Kind() {
	case reflect.Pointer:
		return g.value(t.Elem(), name)
	case reflect.Bool:
		return g.pick("true", "false")
	case reflect.Float32:
		return g.pick("0.5", "1", "1e2", "0.10", "-3.25E-2")
	case reflect.Int, reflect.Int32, reflect.Int64:
		return g.pick("0", "-0", "1", "-1", "2147483647", "42")
	case reflect.Uint16, reflect.Uint64:
		return g.pick("0", "80", "65535")
	case reflect.String:
		return g.text()
	case reflect.Interface:
		return g.pick(`{"a":{"B":[1,"x",null,true]},"A":2.5}`, "[]", `"x"`, "7", "false")
	case reflect.Slice, reflect.Array:
		items := make([]string, g.Intn(4))
		for i := range items {
			items[i] = g.value(t.Elem(), "item")
		}
		return g.space("[") + strings.Join(items, g.space(",")) + g.space("]")
	case reflect.Map:
		fields := make([]string, g.Intn(4))
		for i := range fields {
			key := g.pick(`"80/tcp"`, `"com.x"`, `"a"`, `"A"`, `"k"`, `"\u212a"`, `"s"`, `"ſ"`, `"b"`, `"c"`, `""`)
			fields[i] = key + g.space(":") + g.value(t.Elem(), "value")
		}
		return "{" + strings.Join(fields, g.space(",")) + "}"
	default:
		return g.object(t)
	}
}

func (g *generator) object(t reflect.Type) string {
	var fields []string
	for _, field := range reflect.VisibleFields(t) {
		if field.Anonymous || g.Intn(3) == 0 {
			continue
		}
		fields = append(fields, g.key(field.Name)+g.space(":")+g.value(field.Type, field.Name))
		if g.odd() {
			fields = append(fields, g.key(field.Name)+":"+g.value(field.Type, field.Name))
		}
	}
	if g.Intn(3) == 0 {
		fields = append(fields, g.pick(`"Unknown":{"x":[1]}`, `"unknown":1`, `"é":null`, `"Hostconfig ":{}`, `"Host_Config":{"Privileged":true}`, `"":0`))
	}
	g.Shuffle(len(fields), func(i, j int) { fields[i], fields[j] = fields[j], fields[i] })
	return g.space("{") + strings.Join(fields, g.space(",")) + g.space("}")
}

// key spells a field's name in one of the ways that Go takes.
func (g *generator) key(name string) string {
	if g.Intn(3) > 0 {
		return `"` + name + `"`
	}
	var spelt strings.Builder
	for _, letter := range name {
		lower := strings.ToLower(string(letter))
		switch choice := g.Intn(8); {
		case choice == 0:
			spelt.WriteString(lower)
		case choice == 1:
			spelt.WriteString(strings.ToUpper(lower))
		case choice == 2:
			fmt.Fprintf(&spelt, `\u%04x`, letter)
		case choice < 5 && lower == "s":
			spelt.WriteString(g.pick("ſ", `\u017f`, `\u017F`))
		case choice < 5 && lower == "k":
			spelt.WriteString(g.pick("\u212a", `\u212A`))
		default:
			spelt.WriteRune(letter)
		}
	}
	return `"` + spelt.String() + `"`
}

func (g *generator) text() string {
	if g.odd() {
		return g.pick(`"\ud800"`, `"\udc00x"`, `"\ud800\u0041"`, "\"\xff\"", "\"\xc3\x28\"", "\"\xed\xa0\x80\"", `"\x"`, "\"a\tb\"")
	}
	return g.pick(`"host"`, `"/:/h"`, `""`, `"a b"`, `"\/etc"`, `"\u002f"`, `"\u0000"`, `"\ud83d\ude00"`, `"ü😀"`, `"\"\\\b\f\n\r\t"`, "\"\u2028<>&\u007f\"", `"`+"\ufffd"+`"`)
}

func (g *generator) pick(choices ...string) string { return choices[g.Intn(len(choices))] }

func (g *generator) space(around string) string {
	if g.Intn(6) == 0 {
		return g.pick(" ", "\t", "\r\n", "") + around + g.pick(" ", "\n", "")
	}
	return around
}

var handMade = []string{
	// The whole.
	``, ` `, "\n\t\r ", `null`, ` null `, `{}`, ` {} `, `[]`, `""`, `"x"`, `1`, `true`, `{`, `}`, `{}}`, `{}]`, `{}{}`, `{} x`, `{},`, "{}\x00", "\x00{}", "\f{}", "\v{}", "{}\u00a0",
	"\ufeff{}", "{\ufeff}", "\xff\xfe{\x00}\x00", `{"Image":"a"}{"Image":"b"}`, `{"Image":"a"}]anything`, `{"Image":"a"}/**/`, `{/**/}`, `{"Image":'a'}`, `{Image:"a"}`, `{"Image" "a"}`,
	`{"Image":"a",}`, `{,}`, `{"Image"}`, `{"Image":}`, `{"Env":["a",]}`, `{"Env":[,]}`, `{"Env":["a" "b"]}`, `{"Tty":True}`, `{"Tty":tru}`, `{"Tty":truex}`, `{"Tty":nulL}`, `{"Image":"a"`, `{"Image":"a`,
	// Spellings of keys.
	`{"image":"a"}`, `{"IMAGE":"a"}`, `{"iMaGe":"a"}`, `{"\u0049mage":"a"}`, `{"\u0069\u006D\u0061\u0067\u0065":"a"}`, `{"Im\u0061ge":"a"}`, `{"Image ":"a"}`, `{" Image":"a"}`, `{"Image\u0000":"a"}`, `{"I-mage":"a"}`, `{"I_mage":"a"}`, `{"İmage":"a"}`, `{"ımage":"a"}`,
	`{"Uſer":"a"}`, `{"uSER":"a"}`, `{"U\u017fer":"a"}`, `{"Ußer":"a"}`, `{"LOWERCASED":"a"}`, `{"lowercaſed":"a"}`, `{"LowerCased":"a"}`, `{"Lower_Cased":"a"}`,
	`{"HostConfig":{"Privileged":true}}`, `{"hostconfig":{"privileged":true}}`, `{"HOSTCONFIG":{"PRIVILEGED":true}}`, `{"HoſtConfig":{"Privileged":true}}`, `{"HostConfig":{"NetworKMode":"host"}}`, `{"HostConfig":{"Networ\u212aMode":"host"}}`, `{"HostConfig":{"NetworkMode":"HOST"}}`,
	`{"HostConfig":{"MaſKedPathſ":[]}}`, `{"HostConfig":{"resources":{"Memory":1}}}`, `{"HostConfig":{"Resources":{"Memory":1}}}`, `{"HostConfig.Privileged":true}`, `{"Privileged":true}`, `{"Host_Config":{"Privileged":true}}`, `{"Host-Config":{"Privileged":true}}`,
	"{\"Host\x80Config\":{}}", "{\"Im\xffage\":\"a\"}", `{"Im\ud800age":"a"}`, `{"\ud83d\ude00":1}`, `{"":1}`, `{"a":1,"b":2}`,
	// Keys given twice.
	`{"Image":"a","Image":"b"}`, `{"Image":"a","image":"b"}`, `{"image":"a","Image":"b"}`, `{"Image":"a","\u0049mage":"b"}`, `{"User":"a","Uſer":"b"}`, `{"Tty":true,"Tty":null}`, `{"Tty":true,"tty":false}`, `{"Tty":true,"Tty":true}`,
	`{"HostConfig":{"Privileged":true},"HostConfig":{"Memory":0}}`, `{"HostConfig":{"Privileged":true},"hostconfig":{"Memory":0}}`, `{"HostConfig":{"Privileged":true},"HostConfig":null}`, `{"HostConfig":null,"HostConfig":{"Privileged":true}}`, `{"HostConfig":{"NetworkMode":"host","networ\u212amode":"none"}}`,
	`{"HostConfig":{"Mounts":[{"Type":"bind","Source":"/","Target":"/h"}],"Mounts":[{"Target":"/x"}]}}`, `{"HostConfig":{"Binds":["/:/h"],"Binds":[null]}}`, `{"HostConfig":{"Binds":["/:/h"],"binds":[]}}`, `{"HostConfig":{"Binds":["a","b"],"Binds":["c"]}}`,
	`{"HostConfig":{"Ulimits":[{"Name":"a","Hard":1}],"Ulimits":[{"Hard":2}]}}`, `{"HostConfig":{"PidsLimit":5,"PidsLimit":null}}`, `{"Labels":{"a":"b"},"Labels":{"c":"d"}}`, `{"Labels":{"a":"b"},"labels":null}`, `{"Labels":{"a":"1","a":"2"}}`, `{"Labels":{"a":"1","A":"2"}}`, `{"Labels":{"k":"1","K":"2","K":"3"}}`, `{"Labels":{"s":"1","ſ":"2"}}`, `{"Labels":{"a":"1","\u0061":"2"}}`,
	`{"NetworkingConfig":{"EndpointsConfig":{"a":{"Aliases":["x"]},"a":{"DriverOpts":{}}}}}`, `{"NetworkingConfig":{"EndpointsConfig":{"a":{"Aliases":["x"]},"A":null}}}`, `{"Options":{"a":1,"a":2}}`, `{"Options":{"a":1,"A":2}}`, `{"Raw":{"a":1,"a":2}}`, `{"Unknown":1,"Unknown":2}`, `{"Unknown":1,"unknown":2}`, `{"Unknown":{"a":1,"a":2}}`, `{"Unknown":{"a":1,"A":2}}`, `{"é":1,"É":2}`,
	// Nulls.
	`{"Image":null}`, `{"Tty":null}`, `{"Cmd":null}`, `{"Env":null}`, `{"Env":[null]}`, `{"Env":["a",null,"b"]}`, `{"Labels":null}`, `{"Labels":{"a":null}}`, `{"ExposedPorts":{"80/tcp":null}}`, `{"ExposedPorts":{"80/tcp":{}}}`, `{"StopTimeout":null}`, `{"HostConfig":null}`, `{"NetworkingConfig":null}`, `{"Options":null}`, `{"Raw":null}`, `{"Cmd":[null]}`, `{"Options":[null,{"a":null}]}`,
	`{"HostConfig":{"Mounts":[null]}}`, `{"HostConfig":{"Ulimits":[null]}}`, `{"HostConfig":{"PortBindings":{"80/tcp":null}}}`, `{"HostConfig":{"PortBindings":{"80/tcp":[null]}}}`, `{"HostConfig":{"MaskedPaths":null}}`, `{"HostConfig":{"MaskedPaths":[]}}`, `{"HostConfig":{"Init":null}}`, `{"HostConfig":{"Sysctls":{"net.x":null}}}`, `{"HostConfig":{"ConsoleSize":null}}`, `{"HostConfig":{"ConsoleSize":[null,5]}}`, `{"HostConfig":{"Skills":{"a":null}}}`, `{"HostConfig":{"Switches":[null,true]}}`, `{"HostConfig":{"Lists":[null,[null]]}}`, `{"NetworkingConfig":{"EndpointsConfig":{"host":null}}}`, `{"NetworkingConfig":{"EndpointsConfig":{"a":{"DriverOpts":{"x":null}}}}}`,
	// Numbers.
	`{"HostConfig":{"Memory":9223372036854775807}}`, `{"HostConfig":{"Memory":9223372036854775808}}`, `{"HostConfig":{"Memory":-9223372036854775808}}`, `{"HostConfig":{"Memory":-9223372036854775809}}`, `{"HostConfig":{"Memory":18446744073709551616}}`, `{"HostConfig":{"Memory":123456789012345678901234567890}}`,
	`{"HostConfig":{"Memory":1e3}}`, `{"HostConfig":{"Memory":1E3}}`, `{"HostConfig":{"Memory":1.0}}`, `{"HostConfig":{"Memory":1.5}}`, `{"HostConfig":{"Memory":0.0}}`, `{"HostConfig":{"Memory":-0}}`, `{"HostConfig":{"Memory":0e0}}`, `{"HostConfig":{"Memory":1e999}}`, `{"HostConfig":{"Memory":01}}`, `{"HostConfig":{"Memory":00}}`, `{"HostConfig":{"Memory":+1}}`, `{"HostConfig":{"Memory":.5}}`, `{"HostConfig":{"Memory":1.}}`, `{"HostConfig":{"Memory":1e}}`, `{"HostConfig":{"Memory":1e+}}`, `{"HostConfig":{"Memory":-}}`, `{"HostConfig":{"Memory":--1}}`, `{"HostConfig":{"Memory":0x10}}`, `{"HostConfig":{"Memory":NaN}}`, `{"HostConfig":{"Memory":Infinity}}`, `{"HostConfig":{"Memory":1_000}}`, `{"HostConfig":{"Memory":"5"}}`, `{"HostConfig":{"Memory":""}}`, `{"HostConfig":{"Memory":"1g"}}`,
	`{"HostConfig":{"ShmSize":18446744073709551615}}`, `{"HostConfig":{"ShmSize":18446744073709551616}}`, `{"HostConfig":{"ShmSize":-1}}`, `{"HostConfig":{"ShmSize":-0}}`, `{"HostConfig":{"OomScoreAdj":2147483648}}`, `{"HostConfig":{"OomScoreAdj":-2147483648}}`, `{"HostConfig":{"ConsoleSize":[65536,1]}}`, `{"HostConfig":{"ConsoleSize":[1,2,3]}}`, `{"HostConfig":{"ConsoleSize":[1]}}`, `{"HostConfig":{"ConsoleSize":[]}}`, `{"HostConfig":{"ConsoleSize":[1,2,"x"]}}`,
	`{"HostConfig":{"Ratio":0.1}}`, `{"HostConfig":{"Ratio":1e38}}`, `{"HostConfig":{"Ratio":1e39}}`, `{"HostConfig":{"Ratio":1e-60}}`, `{"HostConfig":{"Ratio":0.30000000000000000000000000000001}}`, `{"HostConfig":{"Ratio":16777217}}`, `{"HostConfig":{"Ratio":"0.1"}}`, `{"Options":1e999}`, `{"Options":1e308}`, `{"Options":0.1}`, `{"Options":12345678901234567890}`, `{"Options":-0}`, `{"Raw":1e999}`, `{"Raw":12345678901234567890123}`, `{"Raw":1.50}`, `{"Unknown":1e999}`, `{"Unknown":-0.0e+00}`,
	`{"Options":{"$serde_json::private::Number":"5"}}`, `{"HostConfig":{"Memory":{"$serde_json::private::Number":"5"}}}`, `{"$serde_json::private::Number":"5"}`, `{"Options":{"$serde_json::private::RawValue":"5"}}`,
	// Other types.
	`{"Tty":"true"}`, `{"Tty":1}`, `{"Tty":0}`, `{"Tty":[]}`, `{"Image":5}`, `{"Image":true}`, `{"Image":["a"]}`, `{"Image":{}}`, `{"Env":"a=b"}`, `{"Env":{}}`, `{"Env":{"0":"a"}}`, `{"Env":[5]}`, `{"Env":[["a"]]}`, `{"Env":true}`, `{"Labels":[]}`, `{"Labels":["a=b"]}`, `{"Labels":{"a":5}}`, `{"Labels":{"a":true}}`, `{"Labels":"a=b"}`, `{"HostConfig":[]}`, `{"HostConfig":"x"}`, `{"HostConfig":true}`, `{"HostConfig":{"Init":"true"}}`, `{"ExposedPorts":{"80/tcp":[]}}`, `{"ExposedPorts":{"80/tcp":{"x":1}}}`, `{"ExposedPorts":["80/tcp"]}`, `{"HostConfig":{"Mounts":{}}}`, `{"HostConfig":{"Mounts":["a"]}}`, `{"HostConfig":{"PortBindings":{"80/tcp":{"HostPort":"1"}}}}`, `{"HostConfig":{"PortBindings":{"80/tcp":[{"HostPort":80}]}}}`,
	`{"Cmd":"sh -c x"}`, `{"Cmd":["sh","-c"]}`, `{"Cmd":""}`, `{"Cmd":[]}`, `{"Cmd":5}`, `{"Cmd":["a",5]}`, `{"Cmd":{}}`, `{"Cmd":[["a"]]}`,
	// Strings.
	`{"Image":"\u0061\n\t\"\\\/\b\f\r"}`, `{"Image":"\u0000"}`, `{"Image":"\ud83d\ude00"}`, `{"Image":"\uD83D\uDE00"}`, `{"Image":"\ud800"}`, `{"Image":"\udc00"}`, `{"Image":"\ud800x"}`, `{"Image":"\ud800\ud800"}`, `{"Image":"\ud800\u0061"}`, `{"Image":"\udc00\ud800"}`, `{"Image":"\uFFFD"}`, `{"Image":"\uFFFF"}`, `{"Image":"\x61"}`, `{"Image":"\u00"}`, `{"Image":"\u00zz"}`, `{"Image":"\U00000061"}`, `{"Image":"\'"}`, `{"Image":"a\`, "{\"Image\":\"a\nb\"}", "{\"Image\":\"a\x00b\"}", "{\"Image\":\"a\x1fb\"}", "{\"Image\":\"a\x7fb\"}", "{\"Image\":\"\u0085\u2028\u2029\"}",
	"{\"Image\":\"\xff\"}", "{\"Image\":\"\xc0\xaf\"}", "{\"Image\":\"\xed\xa0\xbd\xed\xb8\x80\"}", "{\"Image\":\"\xf4\x90\x80\x80\"}", "{\"Image\":\"\xe2\x82\"}", "{\"Labels\":{\"\xff\":\"1\",\"\xfe\":\"2\"}}", "{\"Unknown\":\"\xff\"}", "{\"Image\":\"a\"\xff}", "{\"Image\":\"a\"}\xff",
	`{"Labels":{"-1":"1e3","\"":"5","\\":"-"},"Options":["-1",-1,"\"2",2,"\\",3]}`,
}
