console.log(new Intl.NumberFormat('de-DE', { style: 'currency', currency: 'EUR' }).format(1234567.891));
console.log(new Intl.NumberFormat('en-IN').format(12345678), new Intl.NumberFormat('ar-EG').format(123));
console.log(new Intl.DateTimeFormat('ja-JP', { dateStyle: 'full', timeStyle: 'long', timeZone: 'Asia/Tokyo' }).format(new Date(0)));
console.log(new Intl.RelativeTimeFormat('fr').format(-3, 'day'), new Intl.PluralRules('pl').select(5), new Intl.ListFormat('es').format(['a', 'b', 'c']));
console.log(['z', 'ä', 'a', 'Z'].sort(new Intl.Collator('sv').compare), ['10', '9', '1'].sort(new Intl.Collator('en', { numeric: true }).compare));
console.log([...new Intl.Segmenter('th', { granularity: 'word' }).segment('สวัสดีชาวโลก')].map((s) => s.segment));
console.log(new Intl.DisplayNames('en', { type: 'region' }).of('DE'), 'İ'.toLocaleLowerCase('tr'), 'ß'.localeCompare('ss', 'de'), 'é'.normalize('NFD').length);
