// declare main function
function main({ prices, customer }) {
  const total = prices.reduce((a, b) => a + b, 0);
  return { text: `${customer.name} pays ${total.toFixed(2)}`, items: prices.length };
}

// decode and prepare input object
var inputs_obj = JSON.parse(Buffer.from('eyJwcmljZXMiOiBbMTkuOTksIDUuMDEsIDc1XSwgImN1c3RvbWVyIjogeyJuYW1lIjogIkFkYSJ9fQ==', 'base64').toString('utf-8'))

// execute main function
var output_obj = main(inputs_obj)

// convert output to json and print
var output_json = JSON.stringify(output_obj)
var result = `<<RESULT>>${output_json}<<RESULT>>`
console.log(result)
