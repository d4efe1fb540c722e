// Closes what open.h has opened.
}  // namespace bert_kernels::inline BERT_KERNELS_ABI::BERT_REGION

#if !defined(__clang__)
#pragma GCC pop_options
#elif defined(BERT_REGION_TARGET)
#pragma clang attribute pop
#endif
#undef BERT_REGION
#undef BERT_REGION_TARGET
#undef BERT_TEXT_OF_
#undef BERT_TEXT_OF
#undef BERT_PRAGMA_
#undef BERT_PRAGMA
